import { schema } from './schema.ts';
import { type Entry, type Field, type Group, variableName } from './table.ts';

const introduction = `# Configuration reference

This page is made from the table in \`src/config\` by \`scripts/configuration-reference.ts\`; do not edit it.

One YAML file is given with \`--config FILE\`; \`holdfast check-config --config FILE\` checks it. Every key may be left
out. A key of the file is overridden by the environment variable named beside it, in which lists are separated by
commas and lists of groups are written as YAML in one line; an empty variable counts as not set. Relative paths start
from the folder of the configuration file, without one from the working directory.

Sizes have one of the units \`B\`, \`KiB\`, \`MiB\`, \`GiB\`, \`TiB\`; durations \`ms\`, \`s\`, \`m\`, \`h\`, \`d\`.
`;

/** The text of `docs/configuration.md`. */
export function configurationReference(): string {
  const parts = [introduction];
  const top: string[] = [];
  for (const [name, entry] of Object.entries<Entry>(schema.keys)) {
    if (entry.kind === 'field') top.push(...describe(entry, [name]));
    else parts.push([`## ${name}`, '', ...describe(entry, [name])].join('\n'));
  }
  parts.push(['## Other keys', '', ...top].join('\n'));
  return `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`;
}

function describe(entry: Entry, path: readonly string[]): string[] {
  if (entry.kind === 'field') return describeField(entry, path, `Variable \`${variableName(path)}\`.`);
  if (entry.kind === 'group') {
    const note = entry.optional ? ' Off unless one of its keys is given.' : '';
    return describeKeys(entry, path, `${entry.description}${note}`);
  }
  const text = `${entry.description} A list, empty by default. Variable \`${variableName(path)}\`.`;
  return describeKeys(entry.item, [...path.slice(0, -1), `${path.at(-1)}[]`], text);
}

function describeKeys(group: Group<Record<string, Entry>, boolean>, path: readonly string[], text: string): string[] {
  const head = path.length > 1 ? [`### ${path.join('.')}`, '', text, ''] : [text, ''];
  const entries = Object.entries<Entry>(group.keys);
  // Fields first: below a heading of a subgroup they would seem to belong to it.
  const fields = entries.filter(([, entry]) => entry.kind === 'field');
  const rest = entries.filter(([, entry]) => entry.kind !== 'field');
  const inList = path.some((part) => part.endsWith('[]'));
  const lines = fields.flatMap(([name, entry]) => {
    const variable = inList ? '' : `Variable \`${variableName([...path, name])}\`.`;
    return describeField(entry as Field<unknown, string | undefined>, [...path, name], variable);
  });
  return [...head, ...lines, '', ...rest.flatMap(([name, entry]) => [...describe(entry, [...path, name]), ''])];
}

function describeField(field: Field<unknown, string | undefined>, path: readonly string[], variable: string): string[] {
  const presence = { default: `Default \`${show(field.fallback)}\`.`, optional: 'No default.', required: 'Required.' };
  const facts = [presence[field.presence], `Allowed: ${field.reader.allowed}.`, variable].filter(Boolean);
  return [`- **\`${path.join('.')}\`** – ${field.description}`, `  ${facts.join(' ')}`];
}

function show(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
}
