import type { NodeConfig } from './node-red.ts';

/** What makes a configuration of one version one of the next. */
export type Migration = (config: Record<string, unknown>) => Record<string, unknown>;

/**
 * A configuration in its newest form: `migrations[0]` leads from version 0 (saved before there were versions) to 1, and
 * so on.
 *
 * @throws Error when it was saved by a newer palette: a node must not guess what it does not know.
 */
export function migrate<C extends NodeConfig>(config: NodeConfig, migrations: readonly Migration[]): C {
  const version = config.version ?? 0;
  if (version > migrations.length) {
    throw new Error(
      `${config.type} was saved by a newer @holdfast/node-red (version ${version} of its settings, here ${migrations.length}): update the palette`,
    );
  }
  let result: Record<string, unknown> = { ...config };
  for (const step of migrations.slice(version)) result = step(result);
  return { ...result, version: migrations.length } as unknown as C;
}
