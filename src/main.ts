import { runCommandLine } from './command/index.ts';

process.exitCode = await runCommandLine({
  words: process.argv.slice(2),
  environment: process.env,
  print: (line) => process.stdout.write(`${line}\n`),
  printError: (line) => process.stderr.write(`${line}\n`),
  input: process.stdin,
});
