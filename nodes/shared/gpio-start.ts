import type { NodeInstance, NodeRed } from './node-red.ts';

/** When Node-RED does not say that the flows run, work begins all the same. */
const latestStartMs = 10_000;

/**
 * Calls `run` once, when all nodes stand: what is sent before reaches nobody, and `catch` nodes hear of no error. Not
 * called any more once the node is closed.
 */
export function whenFlowsRun(RED: NodeRed, node: NodeInstance, run: () => void): void {
  const end = () => {
    clearTimeout(latest);
    RED.events.off('flows:started', started);
  };
  const started = () => {
    end();
    run();
  };
  const latest = setTimeout(started, latestStartMs).unref();
  RED.events.on('flows:started', started);
  node.on('close', (_removed: boolean, done: () => void) => {
    end();
    done();
  });
}
