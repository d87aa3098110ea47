/** What flows say to the gateway (docs/nodes-protocol.md): Node-RED on the box and on other computers. */
export { Feed } from './feed.ts';
export { LocalDoor, type LocalDoorOptions, type LocalRequest } from './local-door.ts';
export { isLocalTopic, localTopic } from './topics.ts';
