import type { Env } from "#lab/state/lab-dir.ts";

/**
 * Bounds V8's young generation, which holds three semi-spaces. While a start loads a thousand modules
 * it grows to 54 MiB otherwise, and an idle process has no reason to shrink it. A lab in the
 * foreground has it from the script `lab` of package.json.
 */
export const semiSpace = (mebibytes: number): string => `--max-semi-space-size=${mebibytes}`;

/**
 * Two arenas for malloc in place of one per thread: what the threads of V8 and libuv have freed is
 * then used again instead of being kept by each. Other C libraries than glibc do not know it.
 */
export const fewArenas = (env: Env): Readonly<Record<string, string>> => ({
  MALLOC_ARENA_MAX: env.MALLOC_ARENA_MAX || "2",
});
