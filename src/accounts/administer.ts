import { HoldfastError } from '../errors.ts';
import type { RoleName } from '../protocols/machines/index.ts';
import type { Account } from './account.ts';
import type { Accounts } from './accounts.ts';

/** What `holdfast user` asks of a running gateway or centre, or does itself. `password` is what arrives as 密码. */
export type AccountsRequest =
  | {
      readonly room: 'accounts';
      readonly action: 'add';
      readonly name: string;
      readonly password: string;
      readonly customers: readonly string[];
      readonly role: RoleName;
    }
  | { readonly room: 'accounts'; readonly action: 'passwd'; readonly name: string; readonly password: string }
  | { readonly room: 'accounts'; readonly action: 'remove'; readonly name: string }
  | { readonly room: 'accounts'; readonly action: 'list' };

/** True for a request to this room; what it holds is checked when it is done. */
export const isAccountsRequest = (request: object): request is AccountsRequest =>
  'room' in request && request.room === 'accounts';

/** Does what was asked, with an object for each account that it was about. Rejects as `Accounts` does. */
export async function* administerAccounts(accounts: Accounts, request: AccountsRequest): AsyncGenerator<object> {
  switch (request.action) {
    case 'list':
      for (const account of await accounts.list()) yield { ...account };
      return;
    case 'add':
      yield { ...shown(await accounts.add(request)), done: 'added' };
      return;
    case 'passwd':
      await accounts.setPassword(request.name, request.password);
      yield { name: request.name, done: 'changed' };
      return;
    case 'remove':
      await accounts.remove(request.name);
      yield { name: request.name, done: 'removed' };
      return;
    default:
      throw new HoldfastError('usage', 'there is no such action on accounts');
  }
}

const shown = ({ name, customers, role }: Account) => ({ name, customers, role });
