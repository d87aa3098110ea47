/** The demo: a whole Holdfast on one computer, to watch, to cut and to kill. `demo.ts` says what it is made of. */
export { isGiven } from './ports.ts';
export { type RunOptions, runDemo } from './run-demo.ts';
