import type { Command, CommandOption } from './command.ts';
import { commonOptions } from './parse.ts';

/** The help of the whole program: every command with its summary. */
export function programHelp(summaries: Readonly<Record<string, string>>): string {
  return [
    'Usage: holdfast <command> [options]',
    '',
    'Commands:',
    ...columns(Object.entries(summaries)),
    '',
    'Options of every command:',
    ...columns(optionRows(commonOptions)),
    '',
    'holdfast <command> --help tells more; holdfast --version names the version.',
  ].join('\n');
}

/** The help of one command. */
export function commandHelp(name: string, command: Command): string {
  const usage = ['holdfast', name, command.usage].filter(Boolean).join(' ');
  const rows = optionRows({ ...command.options, ...commonOptions });
  const details = command.details ? ['', command.details] : [];
  return [`Usage: ${usage}`, '', `${command.summary}.`, ...details, '', 'Options:', ...columns(rows)].join('\n');
}

function optionRows(options: Readonly<Record<string, CommandOption>>): [string, string][] {
  return Object.entries(options).map(([name, { short, value, type, description }]) => {
    const form = `${short ? `-${short}, ` : ''}--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`;
    return [form, description];
  });
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
