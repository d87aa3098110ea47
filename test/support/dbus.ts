/**
 * A real D-Bus daemon for one test, with a NetworkManager mocked by Debian's python3-dbusmock (`dbus.py` beside this
 * file). The daemon has a configuration and a socket of its own in a temporary folder; nothing of this computer's D-Bus
 * is touched. Both are ended by their process ids, and by the kernel when the test's process dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type MessageBus } from 'dbus-native';
import { type TemporaryFolder, temporaryFolder } from './temporary.ts';

/** A network for the mock; `behaviour`: what happens at connecting. */
export interface MockNetwork {
  readonly ssid: string;
  readonly password?: string;
  readonly strength?: number;
  readonly frequency?: number;
  /** NM80211ApSecurityFlags; default: WPA2 with a password. */
  readonly security?: number;
  readonly hidden?: boolean;
  /** `asks`: asks for another password instead of failing; `no-address`: no DHCP server; `never`: nothing happens. */
  readonly behaviour?: 'ok' | 'asks' | 'no-address' | 'never';
}

const startDeadlineMs = 30_000;
const psk = 0x100;
const networkManager = 'org.freedesktop.NetworkManager';
/** `python3` on the PATH may be one that has no D-Bus. */
const python = '/usr/bin/python3';

/** See the head of this file. */
export class TestBus {
  readonly address: string;
  readonly #folder: TemporaryFolder;
  readonly #socket: string;
  #daemon: ChildProcess | undefined;
  #manager: ChildProcess | undefined;
  #client: MessageBus | undefined;
  #output = '';

  constructor() {
    this.#folder = temporaryFolder('holdfast-dbus-');
    this.#socket = this.#folder.file('bus');
    this.address = `unix:path=${this.#socket}`;
    writeFileSync(this.#folder.file('bus.conf'), configuration(this.#socket));
  }

  /** Starts the daemon; nobody is on the bus yet. */
  async start(): Promise<void> {
    rmSync(this.#socket, { force: true });
    this.#daemon = this.#spawn('dbus-daemon', [`--config-file=${this.#folder.file('bus.conf')}`, '--nofork']);
    await this.#until('the D-Bus daemon', async () => existsSync(this.#socket));
    this.#client = createClient({ busAddress: this.address, plainValues: true });
    this.#client.connection.on('error', () => {});
    await this.#until('a connection', async () => (await this.#client?.listNames()) !== undefined);
  }

  /** Ends the daemon, and with it NetworkManager. */
  async stop(): Promise<void> {
    await this.stopNetworkManager();
    this.#client?.connection.stream.destroy();
    this.#client = undefined;
    await end(this.#daemon);
    this.#daemon = undefined;
  }

  /** Starts NetworkManager, without an adapter, and resolves when it answers. */
  async startNetworkManager(): Promise<void> {
    this.#manager = this.#spawn(python, ['-m', 'dbusmock', '--template', join(import.meta.dirname, 'dbus.py')]);
    await this.#until('NetworkManager', async () => (await this.#client?.nameHasOwner(networkManager)) === true);
    await this.#until('its objects', () =>
      this.control('ProfileIds').then(
        () => true,
        () => false,
      ),
    );
  }

  async stopNetworkManager(): Promise<void> {
    await end(this.#manager);
    this.#manager = undefined;
  }

  /** NetworkManager stands still: it is on the bus and does not answer. */
  pause(): void {
    this.#manager?.kill('SIGSTOP');
  }

  resume(): void {
    this.#manager?.kill('SIGCONT');
  }

  plug(device = 'wlan0'): Promise<unknown> {
    return this.control('Plug', 's', [device]);
  }

  unplug(device = 'wlan0'): Promise<unknown> {
    return this.control('Unplug', 's', [device]);
  }

  appear(network: MockNetwork, device = 'wlan0'): Promise<unknown> {
    const { ssid, password = '', strength = 70, frequency = 2412, hidden = false, behaviour = 'ok' } = network;
    const security = network.security ?? (password === '' ? 0 : psk);
    const body = [device, ssid, password, strength, frequency, security, hidden, behaviour];
    return this.control('Appear', 'sssyuubs', body);
  }

  vanish(ssid: string, device = 'wlan0'): Promise<unknown> {
    return this.control('Vanish', 'ss', [device, ssid]);
  }

  /** From now on polkit says no. */
  deny(denied: boolean): Promise<unknown> {
    return this.control('Deny', 'b', [denied]);
  }

  /** The state of an adapter, as a number of NMDeviceState. */
  setDeviceState(state: number, device = 'wlan0'): Promise<unknown> {
    return this.control('SetDeviceState', 'su', [device, state]);
  }

  /** The settings, with secrets, that NetworkManager was last told to connect with. */
  async lastSettings(): Promise<Record<string, Record<string, unknown>>> {
    return JSON.parse((await this.control('LastSettings')) as string);
  }

  /** The names of all saved connections. */
  async profileIds(): Promise<string[]> {
    return (await this.control('ProfileIds')) as string[];
  }

  /** Ends everything and removes the folder. */
  async remove(): Promise<void> {
    await this.stop();
    this.#folder.remove();
  }

  async control(member: string, signature?: string, body: unknown[] = []): Promise<unknown> {
    return await this.#client?.invoke(
      {
        destination: networkManager,
        path: '/org/freedesktop',
        interface: 'org.freedesktop.DBus.Mock',
        member,
        ...(signature !== undefined && { signature, body }),
      },
      { timeout: 10_000 },
    );
  }

  #spawn(command: string, words: readonly string[]): ChildProcess {
    const guard = existsSync('/usr/bin/setpriv')
      ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--', command]
      : [command];
    const child = spawn(guard[0]!, [...guard.slice(1), ...words], {
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8', DBUS_SYSTEM_BUS_ADDRESS: this.address },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.on('error', (error) => {
      this.#output += `${error.message}\n`;
    });
    child.unref();
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
      (stream as { unref?(): void }).unref?.();
    }
    return child;
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + startDeadlineMs;
    while (!(await holds())) {
      if (performance.now() > deadline || this.#daemon?.exitCode != null || this.#manager?.exitCode != null) {
        throw new Error(`${what} did not come (needs dbus and python3-dbusmock):\n${this.#output}`);
      }
      await sleep(20);
    }
  }
}

function configuration(socket: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.ref();
  child.kill('SIGKILL');
  await gone;
}
