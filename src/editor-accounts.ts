import { type Account, type Login, type MachineHash, wirePassword } from './accounts/index.ts';
import type { EditorAccounts, EditorUser } from './flow-engine/index.ts';

/**
 * The gateway's accounts for the flow editor, with the sessions and the login limits of the HTTP queries. An account of
 * all customers may look; with the role `authorizer` it may change flows. One of some customers has no business there:
 * flows show what every machine sends. Rejects as the store of the accounts does.
 */
export function editorAccounts(options: {
  readonly login: Login;
  /** How the password of an account is hashed before it is sent (`accounts.machineHash`). */
  readonly machineHash: MachineHash;
}): EditorAccounts {
  const { login, machineHash } = options;
  return {
    async login(name, password, address) {
      const outcome = await login.login(name, wirePassword(password, machineHash), address);
      if (outcome.kind === 'limited') return { waitMs: outcome.waitMs };
      if (outcome.kind === 'wrong') return 'wrong';
      const user = userOf(outcome.account);
      if (user !== undefined) return { user, token: outcome.token };
      await login.logout(outcome.token);
      return 'wrong';
    },
    async token(token, address) {
      const outcome = await login.account(token, address);
      return outcome.kind === 'account' ? userOf(outcome.account) : undefined;
    },
    logout: (token) => login.logout(token),
  };
}

function userOf({ name, customers, role }: Account): EditorUser | undefined {
  if (!customers.includes('*')) return undefined;
  return { name, permissions: role === 'authorizer' ? '*' : 'read' };
}
