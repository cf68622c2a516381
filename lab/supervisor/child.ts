import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Command } from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { type Leash, signalGroup } from "./leash.ts";
import { identify } from "./process-identity.ts";
import type { Exit, Running } from "./running.ts";

/** A running process in a group of its own. */
export interface Child extends Running {
  readonly process: ChildProcess;
}

/** Not for children: they would send loopback traffic to a proxy, or take the settings meant for the user's own programs. */
const withheld =
  /^(?:(?:https?|all|no|ftp)_proxy|NODE_OPTIONS|NODE_ENV|VITEST.*|npm_.*|OTEL_.*|SENTRY_.*|PG[A-Z]+)$/i;

/** What every child gets of the lab's environment. */
export function childEnv(env: Env): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([key, value]) =>
      value === undefined || withheld.test(key) ? [] : [[key, value]],
    ),
  );
}

/** Spawns a command in a new process group that cannot outlive this process. */
export function spawnChild(
  command: Command,
  options: {
    readonly env: Env;
    readonly leash: Leash;
    readonly deathSignal: "SIGTERM" | "SIGINT";
    readonly stdin?: "ignore" | "pipe";
  },
): Child {
  // The parent-death signal is forgotten when credentials change, so its setter comes last.
  const [file, ...args] = [
    ...(command.through ?? []),
    ...options.leash.deathSignal(options.deathSignal),
    command.file,
    ...command.args,
  ] as [string, ...string[]];
  const child = spawn(file, args, {
    cwd: command.cwd,
    env: { ...childEnv(options.env), ...command.env },
    stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
    detached: true,
    ...command.user,
  });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity) options.leash.hold(identity);
  const exited = new Promise<Exit>((resolve) => {
    child.once("error", (error) => {
      if (child.pid === undefined) resolve({ kind: "not-spawned", error });
    });
    child.once("exit", (code, signal) => {
      // Its own children have no business without it.
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
      resolve(signal ? { kind: "signal", signal } : { kind: "code", code: code ?? 0 });
    });
  });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  // It may end before it was told to begin.
  child.stdin?.on("error", () => {});
  return {
    pid: child.pid,
    process: child,
    begin: () => void child.stdin?.end("begin\n"),
    output: [child.stdout, child.stderr].filter((stream) => stream !== null),
    exited,
    closed,
    signal: (signal) => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        signalGroup(child.pid, signal);
    },
  };
}

/** The end of a process in words: "exited with code 1", "was ended by SIGKILL". */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case "code":
      return `exited with code ${exit.code}`;
    case "signal":
      return `was ended by ${exit.signal}`;
    case "not-spawned":
      return `could not be started: ${exit.error.message}`;
  }
}

/** As a shell tells it: 128 + n when signal n ended the process; null when there was none. */
export function exitCodeOf(exit: Exit): number | null {
  switch (exit.kind) {
    case "code":
      return exit.code;
    case "signal":
      return 128 + constants.signals[exit.signal];
    case "not-spawned":
      return null;
  }
}
