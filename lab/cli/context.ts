import type { Env } from "#lab/state/lab-dir.ts";

/** 0 pass, 1 fail, 2 inconclusive, 3 wrong usage. */
export type ExitCode = 0 | 1 | 2 | 3;

/** What a verb may touch of the process it runs in. */
export interface Context {
  readonly env: Env;
  /** The lab's state folder. */
  readonly dir: string;
  /** Standard output is a terminal that can be repainted, and this is not CI. */
  readonly live: boolean;
  /** A line for the reader of the result: standard output. */
  readonly out: (line: string) => void;
  /** A line about the work itself: standard error. */
  readonly say: (line: string) => void;
}

/** `--json` promises exactly one document on standard output. */
export const printJson = (context: Context, document: unknown): void =>
  context.out(JSON.stringify(document, null, 2));
