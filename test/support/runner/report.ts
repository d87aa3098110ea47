/** What a test file's process tells the runner. */
export type Message =
  | { readonly kind: 'running'; readonly test: string }
  | { readonly kind: 'result'; readonly result: FileResult }
  | { readonly kind: 'lingering'; readonly resources: readonly string[] };

/** How the tests of one file went. */
export interface FileResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What failed, ready to print. */
  readonly failures: readonly string[];
}
