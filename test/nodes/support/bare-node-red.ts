/**
 * The palette as a stranger gets it: built and packed from a copy of the sources, installed from the two tarballs into
 * the user folder of a Node-RED that has nothing else of this project on its paths.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { temporaryFolder } from '../../support/temporary.ts';

const root = join(import.meta.dirname, '../../..');
const modules = join(root, 'node_modules');

/** What the oldest supported Node.js (20.19) has. */
const library = ['--lib', 'es2023'];

export interface Packed {
  readonly hardware: string;
  readonly nodes: string;
  /** What the compiler said; empty when it was content. */
  readonly complaints: string;
}

/** Builds and packs both workspaces in a folder of its own, so that a `dist` that others use stays as it is. */
export function packPalette(): Packed {
  const project = temporaryFolder('holdfast-pack-').path;
  for (const name of ['hardware', 'nodes']) {
    const ignored = new Set(['dist', 'node_modules']);
    cpSync(join(root, name), join(project, name), {
      recursive: true,
      filter: (source) => source === join(root, name) || !ignored.has(basename(source)),
    });
  }
  cpSync(join(root, 'tsconfig.json'), join(project, 'tsconfig.json'));
  mkdirSync(join(project, 'scripts'));
  cpSync(join(root, 'scripts/copy-node-files.ts'), join(project, 'scripts/copy-node-files.ts'));
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  linkModules(join(project, 'node_modules'));
  mkdirSync(join(project, 'node_modules/@holdfast'));
  symlinkSync(join(project, 'hardware'), join(project, 'node_modules/@holdfast/hardware'));
  const tsc = join(modules, 'typescript/bin/tsc');
  const complaints = ['hardware', 'nodes']
    .map(
      (name) => spawnSync(process.execPath, [tsc, '-p', name, ...library], { cwd: project, encoding: 'utf8' }).stdout,
    )
    .join('');
  execFileSync(process.execPath, ['scripts/copy-node-files.ts'], { cwd: project });
  const pack = (name: string) => {
    const options = ['pack', '--silent', '--ignore-scripts', '--pack-destination', project];
    const file = execFileSync('npm', options, { cwd: join(project, name), encoding: 'utf8' }).trim();
    return join(project, file.split('\n').at(-1)!);
  };
  return { hardware: pack('hardware'), nodes: pack('nodes'), complaints };
}

/** All packages of the project by links, except our own. */
function linkModules(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(modules)) {
    if (name !== '@holdfast') symlinkSync(join(modules, name), join(folder, name));
  }
}

/**
 * A user folder with the palette in it, without its optional (native) parts. From npm's cache; where that lacks a package,
 * the tarballs are unpacked and the packages they need are linked from this project.
 */
export function installPalette({ hardware, nodes }: Packed): { folder: string; by: 'npm' | 'unpacking' } {
  const folder = temporaryFolder('holdfast-bare-').path;
  writeFileSync(join(folder, 'package.json'), '{ "name": "bare", "private": true }');
  const options = ['install', '--offline', '--omit=optional', '--no-audit', '--no-fund', '--ignore-scripts'];
  const npm = spawnSync('npm', [...options, hardware, nodes], { cwd: folder, encoding: 'utf8' });
  const target = join(folder, 'node_modules');
  if (npm.status === 0 && existsSync(join(target, '@holdfast/node-red/dist'))) return { folder, by: 'npm' };
  linkNeeded(target);
  for (const [name, file] of Object.entries({ hardware, 'node-red': nodes })) {
    const into = join(target, '@holdfast', name);
    mkdirSync(into, { recursive: true });
    execFileSync('tar', ['-xzf', file, '--strip-components=1', '-C', into]);
  }
  const installed = { '@holdfast/hardware': '0.1.0', '@holdfast/node-red': '0.1.0' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'bare', dependencies: installed }));
  return { folder, by: 'unpacking' };
}

/** Everything that the palette's required dependencies need, by links. */
function linkNeeded(target: string): void {
  const own = ['hardware', 'nodes'].map((name) => JSON.parse(readFileSync(join(root, name, 'package.json'), 'utf8')));
  const open = own.flatMap(({ dependencies = {} }) => Object.keys(dependencies));
  const seen = new Set<string>();
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name) || name.startsWith('@holdfast/')) continue;
    seen.add(name);
    mkdirSync(join(target, name, '..'), { recursive: true });
    if (!existsSync(join(target, name))) symlinkSync(join(modules, name), join(target, name));
    const { dependencies = {} } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    open.push(...Object.keys(dependencies));
  }
}

export interface BareNodeRed {
  readonly port: number;
  readonly output: () => string;
  stop(): Promise<void>;
}

/** Starts Node-RED without its editor on the user folder; resolves once its flows and its server have started. */
export async function startNodeRed({
  folder,
  flow,
  credentials,
  port,
}: {
  folder: string;
  flow: readonly object[];
  credentials: object;
  port: number;
}): Promise<BareNodeRed> {
  const runtime = temporaryFolder('holdfast-nr-').path;
  linkModules(join(runtime, 'node_modules'));
  const settings = {
    uiHost: '127.0.0.1',
    uiPort: port,
    disableEditor: true,
    credentialSecret: false,
    flowFile: 'flows.json',
    telemetry: { enabled: false, updateNotification: false },
    externalModules: { autoInstall: false, palette: { allowInstall: false } },
    logging: { console: { level: 'info', metrics: false, audit: false } },
  };
  writeFileSync(join(folder, 'settings.cjs'), `module.exports = ${JSON.stringify(settings)};`);
  writeFileSync(join(folder, 'flows.json'), JSON.stringify(flow));
  writeFileSync(join(folder, 'flows_cred.json'), JSON.stringify(credentials));
  // Links keep their paths: else Node-RED would find this project, and its palette, around its own files.
  const links = ['--preserve-symlinks', '--preserve-symlinks-main'];
  const script = join(runtime, 'node_modules/node-red/red.js');
  const options = ['--userDir', folder, '--settings', join(folder, 'settings.cjs')];
  const child = spawn(process.execPath, [...links, script, ...options], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  await started(child, () => output);
  return { port, output: () => output, stop: () => stop(child) };
}

async function started(child: ChildProcess, output: () => string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!output().includes('Started flows') || !output().includes('Server now running')) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop(child);
      throw new Error(`Node-RED did not start:\n${output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(timer);
}
