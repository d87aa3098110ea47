import type { Command } from './command.ts';

/** The commands in the order of the help; a module is loaded only when its command is used. */
export const commands: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  gateway: () => import('./gateway.ts'),
  central: () => import('./central.ts'),
  demo: () => import('./demo.ts'),
  simulate: () => import('./simulate.ts'),
  'check-config': () => import('./check-config.ts'),
  spool: () => import('./spool.ts'),
  user: () => import('./user.ts'),
  lease: () => import('./lease.ts'),
  audit: () => import('./audit.ts'),
  device: () => import('./device.ts'),
  enrol: () => import('./enrol.ts'),
  authorize: () => import('./authorize.ts'),
};
