/** Something wrong in the configuration. */
export interface Mistake {
  /** Line of the file, from 1; undefined for what stands in no file. */
  readonly line?: number | undefined;
  /** Environment variable, when it came from one. */
  readonly variable?: string | undefined;
  /** The key with dots: `upstream.url`. */
  readonly key?: string | undefined;
  readonly problem: string;
}

/** Collects every mistake, so that all are reported at once. */
export class Mistakes {
  readonly #file: string | undefined;
  readonly #all: Mistake[] = [];

  constructor(file: string | undefined) {
    this.#file = file;
  }

  add(mistake: Mistake): void {
    this.#all.push(mistake);
  }

  get count(): number {
    return this.#all.length;
  }

  /** One line each, in the order of the file, then the environment: `holdfast.yaml:7: upstream.window: …`. */
  lines(): string[] {
    const inOrder = this.#all.toSorted((a, b) => rank(a) - rank(b));
    return [...new Set(inOrder.map((mistake) => this.#describe(mistake)))];
  }

  #describe({ line, variable, key, problem }: Mistake): string {
    const file = this.#file ?? 'configuration';
    const place = variable ?? (line === undefined ? file : `${file}:${line}`);
    return [place, key, problem].filter((part) => part !== undefined).join(': ');
  }
}

function rank({ line, variable }: Mistake): number {
  if (variable !== undefined) return Number.MAX_SAFE_INTEGER;
  return line ?? 0;
}
