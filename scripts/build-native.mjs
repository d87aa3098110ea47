/**
 * Builds the native part of GPIO, `epoll`, for the Node.js that runs the box (bin/node), with npm's own node-gyp and the
 * headers that the pinned Node.js carries: npm itself would build it for the Node.js of the system, which then does not
 * load (package.json denies it its install script). Runs after each `npm ci`, is done at once when there is nothing to
 * do, prints one line and never fails the installation: without a compiler the box runs, and GPIO says what is missing.
 *
 * Plain JavaScript, because npm starts it with whatever Node.js the system has.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const root = join(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), '..');
const folder = join(root, 'node_modules', 'epoll');
const buildDeadlineMs = 300_000;

console.log(`gpio: ${build()}`);

function build() {
  if (process.platform !== 'linux') return 'not on Linux, no native part needed';
  if (!existsSync(folder)) return 'epoll is not installed (it is optional), nothing to build';
  const node = node24();
  if (!node) return 'no Node.js 24 to build epoll for; GPIO over sysfs will not work';
  if (loads(node)) return 'native part in place';

  const missing = missingTools();
  if (missing.length > 0) return warning(`there is no ${missing.join(' and no ')}`);
  const gyp = nodeGyp();
  if (!gyp) return warning('npm brought no node-gyp');
  const prefix = dirname(dirname(node));
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` };
  for (const name of Object.keys(env))
    if (/^npm_config_(nodedir|target|runtime|disturl)$/i.test(name)) delete env[name];
  const headers = existsSync(join(prefix, 'include/node/node.h')) ? [`--nodedir=${prefix}`] : [];
  const { status, stdout, stderr, error } = spawnSync(node, [gyp, 'rebuild', ...headers], {
    cwd: folder,
    env,
    encoding: 'utf8',
    timeout: buildDeadlineMs,
  });
  if (error) return warning(error.message);
  if (status !== 0) return warning(reason(`${stdout}\n${stderr}`));
  return loads(node) ? 'native part built' : warning('it was built, but does not load');
}

/** Path of the Node.js that bin/node starts. */
function node24() {
  const { status, stdout } = spawnSync(join(root, 'bin/node'), ['-p', 'process.execPath'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function loads(node) {
  return spawnSync(node, ['-e', "require('epoll')"], { cwd: root, stdio: 'ignore' }).status === 0;
}

function nodeGyp() {
  const npm = process.env.npm_execpath;
  return [process.env.npm_config_node_gyp, npm && join(dirname(npm), '../node_modules/node-gyp/bin/node-gyp.js')].find(
    (path) => path && existsSync(path),
  );
}

/** node-gyp says nothing that helps when one of them is absent. */
function missingTools() {
  return ['make', process.env.CXX || 'g++', process.env.npm_config_python || 'python3'].filter(
    (program) => spawnSync(`${program} --version`, { stdio: 'ignore', shell: true }).status !== 0,
  );
}

/** The line of node-gyp's output that says most. */
function reason(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.find((line) =>
    /not found|Could not find|fatal error|No such file|ENOENT|command failed/i.test(line),
  );
  return (telling ?? lines.at(-1) ?? 'node-gyp failed').replace(/^gyp ERR! (stack )?/, '').trim();
}

function warning(why) {
  return `warning: epoll could not be built (${why}); GPIO over sysfs will not work until g++, make and python3 are there and "npm run postinstall" has run`;
}
