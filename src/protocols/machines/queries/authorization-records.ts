/** What became of a change: done; no base information to make a record of; or it cannot be done from here. */
export type AuthorizationChange =
  | { readonly kind: 'changed'; readonly until: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'offline' };

/** The authorizations as `/deviceInfo/auth/sn/` sees them: at the centre the records, on the box the leases. */
export interface AuthorizationRecords {
  /** 授权截止时间 of a machine, site time; undefined when nothing is known. */
  read(serial: string): Promise<string | undefined>;
  /**
   * Authorizes a machine until `days` whole days from now (-36500 to 36500, not 0; negative revokes), in the name of the
   * account `by`. Resolves once it is recorded and on its way to the gateways.
   */
  set(serial: string, days: number, by: string): Promise<AuthorizationChange>;
}
