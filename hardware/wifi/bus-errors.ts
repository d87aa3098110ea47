import { WifiError } from './wifi.ts';

/** What the library says of a call that failed. */
interface CallFailure {
  readonly dbusName?: string;
  readonly code?: unknown;
}

export function driverMissing(): WifiError {
  return new WifiError(
    'driver-missing',
    'the D-Bus library is not installed: run npm install in the palette folder without --omit=optional',
  );
}

export function noBus(): WifiError {
  return new WifiError(
    'no-service',
    'the system D-Bus cannot be reached: install and start dbus and NetworkManager, or set DBUS_SYSTEM_BUS_ADDRESS',
  );
}

export function noNetworkManager(): WifiError {
  return new WifiError(
    'no-service',
    'NetworkManager does not run: start it with "systemctl enable --now NetworkManager"',
  );
}

const noService = new Set([
  'org.freedesktop.DBus.Error.ServiceUnknown',
  'org.freedesktop.DBus.Error.NameHasNoOwner',
  'org.freedesktop.DBus.Error.NoReply', // the bus itself says so when the service goes away during a call
  'org.freedesktop.DBus.Error.Disconnected',
]);
const denied = /\.(AccessDenied|PermissionDenied|NotAuthorized|InteractiveAuthorizationRequired|AuthFailed)$/;
const gone = /\.(UnknownObject|UnknownMethod|UnknownInterface|UnknownDevice)$/;

/** What a failed call means. Only the name of the error goes into the text, never what was sent or answered. */
export function callError(failure: CallFailure, member: string, deadlineMs: number): WifiError {
  const name = failure.dbusName ?? '';
  if (failure.code === 'ETIMEDOUT') {
    return new WifiError('timeout', `NetworkManager did not answer ${member} within ${deadlineMs / 1000} s`);
  }
  if (failure.code === 'ECONNCLOSED') return noBus();
  if (noService.has(name)) return noNetworkManager();
  if (denied.test(name)) {
    return new WifiError(
      'denied',
      `NetworkManager does not let this user do ${member}: allow it by the polkit rule in docs/wifi.md`,
    );
  }
  if (gone.test(name)) return new WifiError('no-device', `what ${member} was for is not there any more`);
  return new FailedCall(name, `NetworkManager refused ${member} (${name || 'the request could not be written'})`);
}

/** A refusal that has no code of its own; who called may know what its name means. */
export class FailedCall extends WifiError {
  readonly dbusName: string;

  constructor(dbusName: string, message: string) {
    super('failed', message);
    this.dbusName = dbusName;
  }
}
