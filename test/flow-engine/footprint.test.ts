import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.ts';
import { bench, flow, stopAll } from './support.ts';

const test = suite('what a headless engine loads');
test.after(stopAll);

/** A node that writes which files its process has loaded, which parts of Node, and how MQTT packets are written. */
const witness = (output: string) => `
const { writeFileSync } = require('node:fs');
module.exports = (RED) => RED.nodes.registerType('test-witness', function (config) {
  RED.nodes.createNode(this, config);
  setTimeout(() => {
    const files = Object.keys(require.cache);
    const writer = files.find((file) => file.endsWith('/mqtt-packet/writeToStream.js'));
    const hasTable = require.cache[writer]?.exports.cacheNumbers;
    writeFileSync(${JSON.stringify(output)}, JSON.stringify({ loaded: [...files, ...process.moduleLoadList], hasTable }));
  }, 50);
});
`;

/** Each of them costs between one and five MB for as long as the flows run (decision 0015). */
const strangers: readonly [what: string, pattern: RegExp][] = [
  ['a client for HTTP, by importing node:http', /deps\/undici/],
  ["the editor's server", /\/@node-red\/editor-(api|client)\//],
  [
    'nodes that the flow does not use',
    /\/@node-red\/nodes\/core\/(?!common\/(05|91|98)-|network\/10-mqtt)[^/]+\/\d\d-/,
  ],
  ['a driver for NetworkManager', /\/dbus-native\//],
];

test('what the flow does not use is not loaded, and MQTT has no table of all numbers', async () => {
  const { engine, folder, written } = bench({
    flows: flow(
      { id: 'b', type: 'mqtt-broker', broker: '127.0.0.1', port: '1', autoConnect: false },
      { id: 'w', type: 'test-witness' },
    ),
  });
  const nodes = folder.file('flows/nodes');
  writeFileSync(`${nodes}/witness.js`, witness(folder.file('output')));
  writeFileSync(`${nodes}/witness.html`, '<script type="text/html" data-template-name="test-witness"></script>');
  await engine.start();
  await until(() => written().length === 1, 'the witness has written');
  const { loaded, hasTable } = JSON.parse(written()[0]!) as { loaded: string[]; hasTable: boolean };
  await engine.stop();
  assert.ok(loaded.some((name) => name.endsWith('/network/10-mqtt.js')));
  for (const [what, pattern] of strangers) {
    assert.equal(loaded.filter((name) => pattern.test(name)).slice(0, 5), [], `it loaded ${what}`);
  }
  assert.is(hasTable, false);
});

test.run();
