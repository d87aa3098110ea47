/**
 * People and credentials: accounts with their sessions, login limits, and how accounts come from the centre to a box. A
 * password is kept only as a salted slow hash, compared in constant time, and never logged.
 */
export { type Account, type AccountOrigin, accountIndexes, type Visible, visibleTo } from './account.ts';
export { AccountPublisher, type AccountPublisherOptions } from './account-publisher.ts';
export { type AccountPushOutcome, AccountSync, type AccountSyncOptions } from './account-sync.ts';
export { Accounts, type AccountsOptions, type NewAccount } from './accounts.ts';
export { type AccountsRequest, administerAccounts, isAccountsRequest } from './administer.ts';
export { addressKey } from './attempts.ts';
export { CredentialCache } from './credential-cache.ts';
export {
  type FirstAdministratorOptions,
  firstAdministratorsPath,
  makeFirstAdministrator,
} from './first-administrator.ts';
export { defaultLoginLimits, Login, type LoginLimits, type LoginOutcome, type TokenOutcome } from './login.ts';
export { hashPassword, verifyPassword } from './password.ts';
export { Sessions, type SessionsOptions } from './sessions.ts';
export { type MachineHash, wirePassword } from './wire-password.ts';
