/**
 * The flow engine: Node-RED in a process of its own. It may crash, stand still or eat memory; what was acknowledged is on
 * disk by then, and the gateway goes on without it. See docs/flow-engine.md.
 */
export { type DevicesRequest, isDevicesRequest } from './device-desk.ts';
export { type FlowAlarms, FlowEngine, type FlowEngineOptions } from './flow-engine.ts';
export type { TlsMaterial } from './protocol.ts';
export {
  defaultFlowEngineLimits,
  type EditorAccounts,
  type EditorUser,
  type EndReason,
  type FlowEngineFigures,
  type FlowEngineLimits,
  type FlowEngineState,
} from './types.ts';
