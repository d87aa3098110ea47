export { flowEngineClient, reservedClients } from './client-names.ts';
/**
 * Configuration: one YAML file, overridden by environment variables, over defaults. One table (`schema.ts` and
 * `schema-*.ts`) says what there is; validation, the TypeScript type, the variables' names and the reference page
 * (`docs/configuration.md`) all come from it.
 *
 * Whatever is wrong is reported at once, each mistake with file, line, key and what is allowed; there is no state
 * between a valid configuration and none. The result is frozen, its paths are absolute and its names carry units.
 * Passwords stay in it: never log it, and print URLs through `redactUrl`.
 */
export { gatewayId } from './gateway-id.ts';
export { type ConfigSources, type LoadedConfig, loadConfig } from './load.ts';
export { nearest } from './nearest.ts';
export { isLoopbackHost, networkMatcher, privateNetworks } from './networks.ts';
export { parseDuration } from './quantities.ts';
export { configurationReference } from './reference.ts';
export { type GatewayConfig, namePattern } from './schema.ts';
export { redactText, redactUrl } from './urls.ts';
