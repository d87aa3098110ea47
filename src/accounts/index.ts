/**
 * Credentials: hashing and checking of passwords. A password is kept only as a salted slow hash, compared in constant
 * time, and never logged.
 */
export { CredentialCache } from './credential-cache.ts';
export { hashPassword, verifyPassword } from './password.ts';
