import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { nearest } from '../config/index.ts';
import { HoldfastError } from '../errors.ts';
import type { CommandOption } from './command.ts';

/** Options that every command has. */
export const commonOptions: Readonly<Record<string, CommandOption>> = {
  config: { type: 'string', value: 'FILE', description: 'configuration file (without one: defaults and environment)' },
  data: { type: 'string', value: 'DIR', description: 'data folder (./data)' },
  help: { type: 'boolean', short: 'h', description: 'this help' },
};

/** A command line, checked against the options of its command. */
export interface ParsedLine {
  readonly words: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly configFile: string | undefined;
  readonly dataFolder: string;
}

/** Splits the words after a command's name. Throws `usage` for an unknown option, a missing or a superfluous value. */
export function parseLine(words: readonly string[], options: Readonly<Record<string, CommandOption>>): ParsedLine {
  const all = { ...commonOptions, ...options };
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(all).map(([name, { type, short }]) => [name, short ? { type, short } : { type }]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const values: Record<string, string | boolean> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(all, token.name) ? all[token.name] : undefined;
    if (!option) throw unknown('option', token.rawName, Object.keys(all), '--');
    if (option.type === 'boolean') {
      if (token.value !== undefined) throw new HoldfastError('usage', `${token.rawName} takes no value`);
      values[token.name] = true;
    } else {
      // Without its `=`, a value that begins with a dash is much more likely the next option.
      const isOption = !token.inlineValue && token.value?.startsWith('-') && token.value !== '-';
      if (!token.value || isOption)
        throw new HoldfastError('usage', `${token.rawName} needs a value: ${option.value ?? 'VALUE'}`);
      const before = option.many === true ? values[token.name] : undefined;
      values[token.name] = before === undefined ? token.value : `${before}\n${token.value}`;
    }
  }
  const { config, data } = values as { config?: string; data?: string };
  return {
    words: positionals,
    values,
    configFile: config === undefined ? undefined : resolve(config),
    dataFolder: resolve(data ?? 'data'),
  };
}

/** What to say about a word that nothing goes by, with the one that was probably meant. */
export function unknown(what: string, word: string, known: readonly string[], prefix = ''): HoldfastError {
  const near = nearest(word.replace(/^-+/, ''), known);
  const hint = near ? `did you mean ${prefix}${near}?` : `there are: ${known.map((name) => prefix + name).join(', ')}`;
  return new HoldfastError('usage', `there is no ${what} ${word}; ${hint}`);
}
