/** The user name of the box's own flow engine at the gateway's broker. */
export const flowEngineClient = 'flow-engine';

/** Topics of flows that stand where a client's name does (docs/nodes-protocol.md): a client so named would be read by others. */
export const reservedClients: readonly string[] = ['message', 'uplink'];
