/** The demo beside programs that have its ports. */
import { createServer, type Server } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../support/temporary.ts';
import { demoPorts, killDemos, RunningDemo } from './support.ts';

const test = suite('the ports of the demo');
test.after.each(killDemos);

test('takes the next free port where none was configured, and names the key of one that was', async () => {
  const blocked = createServer();
  const port = await new Promise<number>((resolve) => {
    blocked.listen(0, '127.0.0.1', () => resolve((blocked.address() as { port: number }).port));
  });
  const folder = temporaryFolder();
  const configured = new RunningDemo(folder.path, ['--seconds', '1'], {
    ...(await demoPorts()),
    HOLDFAST_HTTP_PORT: String(port),
  });
  assert.is(await configured.exit, 1);
  assert.match(
    configured.lines.join('\n'),
    new RegExp(`http\\.port: another program listens on 127\\.0\\.0\\.1:${port}`),
  );
  await closed(blocked);

  // Somebody may have them already, which is just as good.
  const defaults = await Promise.all([8080, 1883, 8090].map(occupy));
  const demo = new RunningDemo(folder.path, ['--seconds', '2']);
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  const said = demo.lines.join('\n');
  assert.not.match(said, /:8080\/|:1883$|:8090\//m);
  await Promise.all(defaults.map(closed));
  folder.remove();
});

function occupy(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(server));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

test.run();
