import type { Env } from "#lab/state/lab-dir.ts";

/**
 * Keeps V8's young generation at 12 MiB. While a start loads a thousand modules it grows to 54 MiB
 * otherwise, and an idle process has no reason to shrink it. Requests cost the same with either.
 */
export const smallYoungGeneration = "--max-semi-space-size=4";

/**
 * Two arenas for malloc in place of one per thread: what the threads of V8 and libuv have freed is
 * then used again instead of being kept by each. Other C libraries than glibc do not know it.
 */
export const fewArenas = (env: Env): Readonly<Record<string, string>> => ({
  MALLOC_ARENA_MAX: env.MALLOC_ARENA_MAX || "2",
});
