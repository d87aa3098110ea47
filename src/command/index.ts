/**
 * The command line: `holdfast <command> [options] [words]`. `table.ts` names the commands, one module each, imported
 * only when asked for; `parse.ts` checks the words against the command's options; `run.ts` does the rest.
 *
 * Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration. Errors are one line on standard error, without a stack
 * unless they are none of ours.
 */
export type { Command, CommandContext, CommandOption } from './command.ts';
export { runCommandLine, type Terminal } from './run.ts';
