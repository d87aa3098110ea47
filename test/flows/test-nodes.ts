import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files that the test's own nodes and the test share. */
export interface TestNodeFiles {
  /** Gets a line with `payload.n` of each message that reaches a `test-confirmed` node. */
  readonly confirmed: string;
  /** A word that is put here is taken away and sent by each `test-trouble` node; `timer` it does itself. */
  readonly trouble: string;
}

/**
 * Puts nodes of the test's own into a data folder. They stand outside of what is tested: what a flow has had confirmed is
 * in a file before the next message, and survives the end of the process.
 */
export function addTestNodes(dataFolder: string, { confirmed, trouble }: TestNodeFiles): void {
  const folder = join(dataFolder, 'flows', 'nodes');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const types = ['test-confirmed', 'test-trouble'];
  writeFileSync(
    join(folder, 'test-nodes.js'),
    `const { appendFileSync, readFileSync, rmSync } = require('node:fs');
module.exports = (RED) => {
  RED.nodes.registerType('test-confirmed', function (config) {
    RED.nodes.createNode(this, config);
    this.on('input', (message, send, done) => {
      appendFileSync(${JSON.stringify(confirmed)}, message.payload.n + '\\n');
      done();
    });
  });
  RED.nodes.registerType('test-trouble', function (config) {
    RED.nodes.createNode(this, config);
    const timer = setInterval(() => {
      let word;
      try {
        word = readFileSync(${JSON.stringify(trouble)}, 'utf8');
      } catch {
        return;
      }
      rmSync(${JSON.stringify(trouble)});
      if (word === 'timer') throw new Error('a timer of a node');
      this.send({ payload: word });
    }, 50);
    this.on('close', () => clearInterval(timer));
  });
};
`,
  );
  const dialogs = types.map((type) => `<script type="text/html" data-template-name="${type}"></script>`);
  writeFileSync(join(folder, 'test-nodes.html'), dialogs.join('\n'));
}
