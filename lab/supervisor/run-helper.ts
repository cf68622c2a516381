import type { Command, RunOptions, RunResult } from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { type Child, spawnChild } from "./child.ts";
import type { Leash } from "./leash.ts";

const keptChars = 64 * 1024;

/**
 * Runs a program to its end. Ends it with SIGKILL when the signal aborts, and then rejects.
 * @throws Error when it cannot be spawned.
 */
export async function runHelper(
  command: Command,
  options: RunOptions,
  world: {
    readonly env: Env;
    readonly leash: Leash;
    readonly signal: AbortSignal;
    readonly helpers: Set<Child>;
  },
): Promise<RunResult> {
  const { signal } = world;
  signal.throwIfAborted();
  const child = spawnChild(command, {
    env: world.env,
    leash: world.leash,
    deathSignal: "SIGTERM",
    stdin: options.input === undefined ? "ignore" : "pipe",
  });
  world.helpers.add(child);
  let output = "";
  for (const stream of [child.process.stdout, child.process.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (text: string) => {
      output = (output + text).slice(-keptChars);
      options.onOutput?.(text);
    });
  }
  child.process.stdin?.on("error", () => {});
  child.process.stdin?.end(options.input);
  const kill = () => child.signal("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    const exit = await child.exited;
    signal.throwIfAborted();
    if (exit.kind === "not-spawned") throw exit.error;
    await child.closed;
    return { code: exit.kind === "code" ? exit.code : null, output };
  } finally {
    signal.removeEventListener("abort", kill);
    world.helpers.delete(child);
  }
}
