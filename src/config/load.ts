import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { checkTogether, warningsOf } from './checks.ts';
import { type Evaluation, evaluate, variablesOf } from './evaluate.ts';
import { Mistakes } from './mistakes.ts';
import { nearest } from './nearest.ts';
import { type GatewayConfig, schema } from './schema.ts';
import { type Located, parseSource } from './source.ts';

/** Variables with these beginnings belong to tests and benchmarks. */
const foreignPrefixes = ['HOLDFAST_TEST_', 'HOLDFAST_BENCH_'];

/** Where the configuration comes from. */
export interface ConfigSources {
  /** YAML file; without one there are the environment and the defaults. */
  readonly file?: string | undefined;
  /** Environment variables; those that begin with `HOLDFAST_` go before the file. An empty one counts as not set. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A valid configuration and what its owner should know about it. */
export interface LoadedConfig {
  readonly config: GatewayConfig;
  /** One sentence each, beginning with the key. */
  readonly warnings: readonly string[];
}

/**
 * Reads, validates and normalizes the configuration: the environment goes before the file, the file before the
 * defaults. Throws `configuration-invalid`, whose message has a line for every mistake.
 */
export function loadConfig({ file, environment = {} }: ConfigSources = {}): LoadedConfig {
  const mistakes = new Mistakes(file);
  const source = file === undefined ? undefined : readSource(file, mistakes);
  const folder = file === undefined ? process.cwd() : dirname(resolve(file));
  const state: Evaluation = { environment, context: { folder }, mistakes, origins: new Map() };
  const config = evaluate(schema, source, [], state) as GatewayConfig;
  checkVariables(environment, mistakes);
  if (mistakes.count === 0) checkTogether(config, state.origins, mistakes);
  if (mistakes.count > 0) throw new HoldfastError('configuration-invalid', mistakes.lines().join('\n'));
  return Object.freeze({ config, warnings: Object.freeze(warningsOf(config)) });
}

function readSource(file: string, mistakes: Mistakes): Located | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    mistakes.add({ problem: `cannot be read: ${(error as Error).message}` });
    return undefined;
  }
  return parseSource(text, mistakes);
}

/** A mistyped variable would otherwise be ignored in silence. */
function checkVariables(environment: Readonly<Record<string, string | undefined>>, mistakes: Mistakes): void {
  const known = variablesOf(schema);
  for (const variable of Object.keys(environment)) {
    if (!variable.startsWith('HOLDFAST_') || known.includes(variable)) continue;
    if (foreignPrefixes.some((prefix) => variable.startsWith(prefix))) continue;
    const near = nearest(variable, known);
    mistakes.add({ variable, problem: `there is no such key${near ? `; did you mean ${near}?` : ''}` });
  }
}
