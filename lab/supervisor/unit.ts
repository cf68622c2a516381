import type { ServiceStatus } from "#lab/api.ts";
import { LabError } from "#lab/errors.ts";
import type {
  Command,
  LaunchContext,
  Program,
  ServiceDescriptor,
} from "#lab/services/descriptor.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import { type Child, spawnChild } from "./child.ts";
import { CrashError, crashNote, failureOf } from "./failure.ts";
import { findProgram } from "./find-program.ts";
import type { Leash } from "./leash.ts";
import { backOffMs, type Life, type LifeEvent, newborn, nextLife } from "./lifecycle.ts";
import { type Output, openOutput } from "./output.ts";
import { openPortTable } from "./port-table.ts";
import { awaitReady } from "./probe.ts";
import { parseProgress } from "./progress.ts";
import { runHelper } from "./run-helper.ts";

/** What a service's life needs of the world around it. */
export interface UnitWorld {
  readonly dir: string;
  readonly env: Env;
  readonly secrets: Secrets;
  readonly origin: string;
  readonly version: string;
  readonly leash: Promise<Leash>;
  readonly portOf: (id: ServiceId, name?: string) => number;
  /** Resolves once everything the service depends on is ready. */
  readonly dependenciesReady: (signal: AbortSignal) => Promise<void>;
  /** The row changed. */
  readonly changed: (row: ServiceStatus) => void;
  /** Ports differ from those that dependants were told. */
  readonly moved: () => void;
}

/** One service under supervision: its life, its process, its row. */
export interface Unit {
  readonly descriptor: ServiceDescriptor;
  readonly output: Output;
  readonly row: () => ServiceStatus;
  readonly port: (name?: string) => number | undefined;
  readonly url: (name?: string) => string | undefined;
  /** Asks for a start; what comes of it, `settled` tells. */
  readonly begin: () => void;
  /** Resolves when ready; rejects with the `LabError` of the failure, or when it is stopped. */
  readonly settled: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** SIGKILL to everything it runs. */
  readonly force: () => void;
  readonly leaseCrashes: () => () => void;
}

const portMoves = 3;

export function createUnit(descriptor: ServiceDescriptor, world: UnitWorld, logFile: string): Unit {
  const output = openOutput(logFile);
  const ports = openPortTable(descriptor, world.env);
  const waiters = new Set<{ resolve: () => void; reject: (error: unknown) => void }>();
  const helpers = new Set<Child>();
  let life: Life = newborn;
  let program: Program | undefined;
  let child: Child | undefined;
  let attempt = new AbortController();
  let living: Promise<void> = Promise.resolve();
  let leases = 0;
  let starts = 0;
  let startedAt: number | null = null;
  let startMs: number | null = null;
  let progress: ServiceStatus["progress"] = null;
  let note: string | null = null;
  let failure: LabError | undefined;

  const row = (): ServiceStatus => ({
    id: descriptor.id,
    title: descriptor.title,
    role: descriptor.role,
    state: life.state,
    kind: life.state === "unavailable" && !program ? "absent" : (program?.kind ?? "real"),
    version: program?.version ?? null,
    url: ports.url() ?? null,
    port: ports.get() ?? null,
    pid: child?.pid ?? null,
    startedAt,
    startMs,
    restarts: Math.max(0, starts - 1),
    progress,
    note,
  });
  const changed = () => world.changed(row());
  const dispatch = (event: LifeEvent) => {
    const before = life.state;
    life = nextLife(life, event);
    if (life.state === before) return;
    progress = null;
    changed();
    tellWaiters();
  };
  const tellWaiters = () => {
    const outcome = outcomeOf(life.state, failure, descriptor);
    if (outcome === undefined) return;
    for (const waiter of waiters) {
      if (outcome === "ready") waiter.resolve();
      else waiter.reject(outcome);
    }
    waiters.clear();
  };
  output.follow((line) => {
    const told = parseProgress(line);
    if (!told || (life.state !== "starting" && life.state !== "preparing")) return;
    progress = told;
    changed();
  });

  const contextFor = (signal: AbortSignal, leash: Leash): LaunchContext => ({
    dir: world.dir,
    serviceDir: `${world.dir}/${descriptor.id}`,
    secrets: world.secrets,
    origin: world.origin,
    version: world.version,
    env: world.env,
    port: ports.demand,
    portOf: world.portOf,
    report: (step, done) => {
      progress = { step, done };
      changed();
    },
    run: (command, options) =>
      runHelper(command, options ?? {}, { env: world.env, leash, signal, helpers }),
    signal,
  });

  /** One try, from waiting for dependencies to the end of the process. Never rejects. */
  const live = async (signal: AbortSignal) => {
    let error: unknown;
    try {
      const leash = await world.leash;
      await world.dependenciesReady(signal);
      const begun = Date.now();
      dispatch({ type: "dependencies-ready" });
      const context = contextFor(signal, leash);
      program = await findProgram(descriptor, world.env);
      signal.throwIfAborted();
      await ports.assign();
      await runToEnd(context, leash, begun);
    } catch (thrown) {
      error = thrown;
    }
    await endChild();
    afterLife(signal, error);
  };

  const runToEnd = async (context: LaunchContext, leash: Leash, begun: number) => {
    const { signal } = context;
    if (!program) return;
    for (let moves = 0; ; moves++) {
      const command = await prepareCommand(program, context);
      signal.throwIfAborted();
      dispatch({ type: "prepared" });
      const recent: string[] = [];
      const stopFollowing = output.follow((line) => {
        recent.push(line);
        if (recent.length > 20) recent.shift();
      });
      try {
        const running = spawnService(command, leash);
        await becomeReady(running, context, recent);
        failure = undefined;
        note = null;
        startMs = Date.now() - begun;
        dispatch({ type: "answered", at: performance.now() });
        throw await Promise.race([crashOf(running, recent), aborted(context.signal)]);
      } catch (error) {
        const taken = error instanceof CrashError && life.state === "starting" && error.portTaken;
        if (!taken || moves === portMoves) throw error;
        child = undefined;
        await ports.move();
        world.moved();
      } finally {
        stopFollowing();
      }
    }
  };

  const prepareCommand = async (found: Program, context: LaunchContext) => {
    const { mkdir } = await import("node:fs/promises");
    await mkdir(context.serviceDir, { recursive: true });
    return descriptor.embedded.launch(found, context);
  };

  const spawnService = (command: Command, leash: Leash): Child => {
    const spawned = spawnChild(command, {
      env: { ...world.env, LAB_SERVICE: descriptor.id },
      leash,
      deathSignal: descriptor.stop.signal,
    });
    for (const stream of [spawned.process.stdout, spawned.process.stderr])
      if (stream) output.read(stream);
    child = spawned;
    starts++;
    startedAt = Date.now();
    changed();
    return spawned;
  };

  const becomeReady = async (running: Child, context: LaunchContext, recent: readonly string[]) => {
    let sight = "nothing yet";
    const timeout = AbortSignal.timeout(descriptor.startTimeoutMs);
    const over = new AbortController();
    const signal = AbortSignal.any([context.signal, timeout, over.signal]);
    const answered = async () => {
      await awaitReady(descriptor.readiness, context, signal, (seen) => {
        sight = seen;
      });
      sight = "it answers, and its settling is not done";
      await descriptor.embedded.settle?.({ ...context, signal });
    };
    const crashed = crashOf(running, recent).then((crash): never => {
      throw crash;
    });
    try {
      await Promise.race([answered(), crashed, aborted(signal)]);
    } catch (error) {
      if (!timeout.aborted || context.signal.aborted) {
        // A failed settling may only be the echo of a crash; let the crash be the one that is told.
        throw (await Promise.race([crashOf(running, recent), pause(100)])) ?? error;
      }
      throw failureOf.startTimeout(descriptor, sight, recent, logFile);
    } finally {
      crashed.catch(() => {});
      over.abort();
    }
  };

  const endChild = async () => {
    const running = child;
    if (running) {
      running.signal(descriptor.stop.signal);
      const timer = setTimeout(() => running.signal("SIGKILL"), descriptor.stop.graceMs);
      await running.exited;
      clearTimeout(timer);
    }
    child = undefined;
  };

  const afterLife = (signal: AbortSignal, error: unknown) => {
    if (signal.aborted) {
      note = null;
      dispatch({ type: "exited" });
      return;
    }
    const told = failureOf.attempt(error, descriptor, logFile);
    if (told.kind === "impossible") {
      failure = told.error;
      note = `${told.error.message} ${told.error.hint}`;
      output.note(note);
      dispatch({ type: "impossible" });
      return;
    }
    failure = told.error;
    const event = {
      type: "crashed",
      at: performance.now(),
      leased: leases > 0 || !told.counts,
    } as const;
    const looping = nextLife(life, event).state === "crash-looping";
    const delay = backOffMs(nextLife(life, event).streak);
    if (looping) failure = failureOf.crashLooping(descriptor, told, logFile);
    note = looping ? crashNote(told) : `${told.summary}; next try in ${delay / 1_000} s`;
    output.note(note);
    dispatch(event);
    if (!looping) retryAfter(delay, signal);
  };

  const retryAfter = (ms: number, signal: AbortSignal) => {
    const timer = setTimeout(() => {
      dispatch({ type: "retry" });
      living = live(signal);
    }, ms);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  };

  return {
    descriptor,
    output,
    row,
    port: ports.get,
    url: ports.url,
    begin: () => {
      if (nextLife(life, { type: "start" }) === life) return;
      attempt.abort();
      attempt = new AbortController();
      failure = undefined;
      note = null;
      dispatch({ type: "start" });
      living = live(attempt.signal);
    },
    settled: () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiters.add({ resolve, reject });
      tellWaiters();
      return promise;
    },
    stop: async () => {
      dispatch({ type: "stop" });
      attempt.abort();
      await living;
    },
    force: () => {
      child?.signal("SIGKILL");
      for (const helper of helpers) helper.signal("SIGKILL");
    },
    leaseCrashes: () => {
      leases++;
      let held = true;
      return () => {
        if (held) leases--;
        held = false;
      };
    },
  };
}

/** What somebody who waits for a start is told in this state; undefined: wait on. */
function outcomeOf(
  state: Life["state"],
  failure: LabError | undefined,
  descriptor: ServiceDescriptor,
): "ready" | LabError | undefined {
  switch (state) {
    case "ready":
      return "ready";
    case "unavailable":
    case "crash-looping":
    case "backing-off":
      return failure;
    case "stopped":
      return new LabError("service-stopped", `${descriptor.title} was stopped.`, {
        hint: `Start it again with: npm run lab -- restart ${descriptor.id}`,
      });
    case "waiting":
    case "preparing":
    case "starting":
    case "stopping":
      return undefined;
  }
}

/** Waits for the end of a process, and a moment for its last lines: grandchildren may hold the pipes open. */
async function crashOf(running: Child, recent: readonly string[]): Promise<CrashError> {
  const exit = await running.exited;
  if (exit.kind !== "not-spawned") await Promise.race([running.closed, pause(50)]);
  return new CrashError(exit, [...recent]);
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
  return new Promise((resolve) => setTimeout(resolve, ms));
}
