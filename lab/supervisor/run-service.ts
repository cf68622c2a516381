import { mkdir } from "node:fs/promises";
import type { LaunchContext, Program, ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { storageError } from "#lab/state/storage-error.ts";
import { spawnChild } from "./child.ts";
import { CrashError, failureOf } from "./failure.ts";
import type { Leash } from "./leash.ts";
import type { Output } from "./output.ts";
import type { PortTable } from "./port-table.ts";
import { awaitReady } from "./probe.ts";
import type { Running } from "./running.ts";

/** A service that does not listen because somebody took its port meanwhile gets another one so often. */
const portMoves = 3;

export interface ServiceRun {
  readonly descriptor: ServiceDescriptor;
  readonly program: Program;
  readonly context: LaunchContext;
  readonly env: Env;
  readonly leash: Leash;
  readonly ports: PortTable;
  readonly output: Output;
  /** Resolves once what it depends on is ready. Only then a process begins its work that is there early. */
  readonly dependenciesReady: Promise<void>;
  /** What happens on the way. */
  readonly on: {
    readonly prepared: () => void;
    readonly spawned: (child: Running) => void;
    readonly answered: () => void;
    /** Nothing of it runs any more. */
    readonly ended: () => void;
    /** It has other ports than before. */
    readonly moved: () => void;
  };
}

/**
 * One process of a service: prepare, spawn, wait until it is ready, wait for its end. Never resolves.
 * @throws CrashError when it ended by itself; LabError when it cannot run or is not ready in time; the
 *   abort reason when `context.signal` stopped it. The process has ended by then.
 */
export async function runService(run: ServiceRun): Promise<never> {
  for (let moves = 0; ; moves++) {
    const error = await oneProcess(run);
    // Also after it was ready: whoever has the port may have answered in its place.
    const taken = error instanceof CrashError && error.portTaken;
    if (!taken || moves === portMoves) throw error;
    await run.ports.move();
    run.on.moved();
  }
}

async function oneProcess(run: ServiceRun): Promise<unknown> {
  const { descriptor, context, output } = run;
  const recent: string[] = [];
  const stopFollowing = output.follow((line) => {
    recent.push(line);
    if (recent.length > 20) recent.shift();
  });
  let child: Running | undefined;
  const { loadsEarly = false } = descriptor.embedded;
  try {
    await makeFolder(context.serviceDir);
    const command = await descriptor.embedded.launch(run.program, context);
    context.signal.throwIfAborted();
    if (!loadsEarly) run.on.prepared();
    child =
      "begin" in command
        ? await command.begin()
        : spawnChild(command, {
            env: {
              ...run.env,
              LAB_SERVICE: descriptor.id,
              ...(loadsEarly ? { LAB_BEGINS: "stdin" } : {}),
            },
            leash: run.leash,
            deathSignal: descriptor.stop.signal,
            stdin: loadsEarly ? "pipe" : "ignore",
          });
    for (const stream of child.output) output.read(stream);
    run.on.spawned(child);
    if (loadsEarly) {
      await Promise.race([run.dependenciesReady, failedBy(child, recent), aborted(context.signal)]);
      run.on.prepared();
      child.begin?.();
    }
    await becomeReady(run, child, recent);
    run.on.answered();
    return await Promise.race([crashOf(child, recent), aborted(context.signal)]);
  } catch (error) {
    return error;
  } finally {
    if (child) await endChild(descriptor, child);
    stopFollowing();
    run.on.ended();
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    // Telemetry and data are nobody else's business.
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageError(error, path);
  }
}

async function becomeReady(
  { descriptor, context, output }: ServiceRun,
  child: Running,
  recent: readonly string[],
): Promise<void> {
  let sight = "nothing";
  const timeout = AbortSignal.timeout(descriptor.startTimeoutMs);
  const over = new AbortController();
  const signal = AbortSignal.any([context.signal, timeout, over.signal]);
  const answer = async () => {
    await awaitReady(descriptor.readiness, context, signal, (seen) => {
      sight = seen;
    });
    await child.healthy?.(signal, (seen) => {
      sight = seen;
    });
    sight = "it answers, but its set-up is not done";
    await descriptor.embedded.settle?.({ ...context, signal });
  };
  try {
    await Promise.race([answer(), failedBy(child, recent), aborted(signal)]);
  } catch (error) {
    if (timeout.aborted && !context.signal.aborted)
      throw failureOf.startTimeout(descriptor, sight, recent, output.path);
    // A failed set-up may only be the echo of a crash, which then is the better story.
    throw (await Promise.race([crashOf(child, recent), pause(100)])) ?? error;
  } finally {
    over.abort();
  }
}

async function endChild({ stop }: ServiceDescriptor, child: Running): Promise<void> {
  child.signal(stop.signal);
  // A process that stands still hears of the signal only once it goes on.
  child.signal("SIGCONT");
  const timer = setTimeout(() => child.signal("SIGKILL"), stop.graceMs);
  await child.exited;
  clearTimeout(timer);
}

/** Waits for the end of a process, and a moment for its last lines: grandchildren may hold the pipes open. */
async function crashOf(child: Running, recent: readonly string[]): Promise<CrashError> {
  const exit = await child.exited;
  if (exit.kind !== "not-spawned") await Promise.race([child.closed, pause(50)]);
  return new CrashError(exit, [...recent]);
}

/** Rejects with the crash; harmless when nobody listens any more. */
function failedBy(child: Running, recent: readonly string[]): Promise<never> {
  const crash = crashOf(child, recent).then((error): never => {
    throw error;
  });
  crash.catch(() => {});
  return crash;
}

/** Rejects when the signal aborts; harmless when nobody listens any more. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  if (signal.aborted) reject(signal.reason);
  return promise;
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined));
}
