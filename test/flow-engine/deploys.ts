/** For tests of deploys: a flow that counts, and what is missing of what it counted. */
import { writeFileSync } from 'node:fs';
import { freePort } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { type Bench, benchWithEditor, counter, type FlowNode, flow, functionNode, probe } from './support.ts';

export type Deploys = Awaited<ReturnType<typeof benchWithEditor>>;

/** An engine with the editor open and an administrator logged in. */
export const withEditor = async (flows: FlowNode[] = flow(), limits: object = {}): Promise<Deploys> =>
  benchWithEditor({ port: await freePort(), flows, limits });

/** The text of a function that passes a message on later, out of a timer. */
export const slowBy = (ms: number) => `setTimeout(() => { node.send(msg); node.done(); }, ${ms});`;

/** A number every 10 ms, through a slow node, into the probe; `note` makes it another flow. */
export const counting = (note = '', slowMs = 60) =>
  flow(
    counter('source', 10, 'mark'),
    functionNode('mark', `return msg; // ${note}`, 'slow'),
    functionNode('slow', slowBy(slowMs), 'probe'),
    probe('probe'),
  );

export const numbers = (made: Bench) => made.written().map(Number);

/** The numbers that are missing between the first and the last. */
export function holes(all: readonly number[]): number[] {
  const known = new Set(all);
  const from = Math.min(...all);
  return Array.from({ length: Math.max(...all) - from + 1 }, (_, index) => from + index).filter((n) => !known.has(n));
}

/** Resolves when more lines have arrived. */
export async function more(made: Bench, n = 10): Promise<void> {
  const count = made.written().length;
  await until(() => made.written().length > count + n, 'some more have arrived', 15_000);
}

/** Has the editor read the flow from the disk again. */
export const reload = ({ client }: Deploys) =>
  client.request('POST', '/flows', {}, { 'Node-RED-Deployment-Type': 'reload' });

/** Starts the engine again with nodes of the test's own. */
export async function withNodes(made: Deploys, types: readonly string[], script: string): Promise<void> {
  writeFileSync(made.folder.file('flows/nodes/more-nodes.js'), script);
  const dialogs = types.map((type) => `<script type="text/html" data-template-name="${type}"></script>`);
  writeFileSync(made.folder.file('flows/nodes/more-nodes.html'), dialogs.join('\n'));
  await made.engine.stop();
  await made.engine.start();
}

/** Resolves with the editor open and an administrator logged in, after a start. */
export async function opened(made: Deploys): Promise<void> {
  await until(() => made.engine.state.editor !== undefined, 'the editor is open');
  await made.client.login('admin');
}
