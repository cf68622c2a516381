import { join } from "node:path";
import type { ServiceStatus } from "#lab/api/services.ts";
import { LabError } from "#lab/errors.ts";
import type { LaunchContext, Program, ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import { type Child, exitCodeOf } from "./child.ts";
import { crashNote, failureOf } from "./failure.ts";
import { findProgram } from "./find-program.ts";
import type { Leash } from "./leash.ts";
import { type Life, type LifeEvent, newborn, nextLife } from "./lifecycle.ts";
import { type Output, openOutput } from "./output.ts";
import { openPortTable } from "./port-table.ts";
import { freeze } from "./process-tree.ts";
import { parseProgress } from "./progress.ts";
import { runHelper } from "./run-helper.ts";
import { runService } from "./run-service.ts";
import type { Running } from "./running.ts";
import { openStandstill } from "./standstill.ts";
import { openStartWaiters } from "./start-waiters.ts";

/** What a service's life needs of the world around it. */
export interface UnitWorld {
  readonly dir: string;
  readonly env: Env;
  readonly secrets: Secrets;
  readonly origin: string;
  readonly version: string;
  /** @throws LabError when the state folder cannot be written. */
  readonly leash: () => Promise<Leash>;
  readonly backOffMs: (streak: number) => number;
  readonly portOf: (id: ServiceId, name?: string) => number;
  readonly appPortOf: LaunchContext["appPortOf"];
  readonly futurePortOf: LaunchContext["futurePortOf"];
  /** Titles of what the service depends on and that is not ready. */
  readonly waitsFor: () => readonly string[];
  /** Resolves once it waits for nothing. */
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
  readonly state: () => Life["state"];
  readonly port: (name?: string) => number | undefined;
  /** Its port, found now if it has none yet. @throws LabError `port-busy`, `bad-port`. */
  readonly futurePort: (name?: string) => Promise<number | undefined>;
  /** Resolves once its program is being fetched from somewhere; maybe never. */
  readonly fetching: Promise<void>;
  readonly url: (name?: string) => string | undefined;
  /** Asks for a start; what comes of it, `settled` tells. */
  readonly begin: () => void;
  /** Resolves when ready; rejects with the `LabError` of the failure, or when it is stopped. */
  readonly settled: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** It is stopped only to be started anew: who waits for it waits on, until the result is called. */
  readonly returning: () => () => void;
  /** SIGKILL to everything it runs. */
  readonly force: () => void;
  readonly leaseCrashes: () => () => void;
  /** SIGKILL that counts as leased. Resolves when the end was noticed. @throws LabError `service-not-running`. */
  readonly kill: () => Promise<void>;
  /** Lets it stand still. Idempotent. @throws LabError `service-not-running`. */
  readonly pause: () => Promise<void>;
  readonly resume: () => void;
  readonly paused: () => boolean;
}

export function createUnit(descriptor: ServiceDescriptor, world: UnitWorld): Unit {
  const output = openOutput(join(world.dir, "logs", `${descriptor.id}.log`));
  const ports = openPortTable(descriptor, world.env);
  const helpers = new Set<Child>();
  const fetching = Promise.withResolvers<void>();
  let life: Life = newborn;
  let program: Program | undefined;
  let child: Running | undefined;
  let attempt = new AbortController();
  let living: Promise<void> = Promise.resolve();
  let leases = 0;
  const standstill = openStandstill();
  let heldBy: Leash | undefined;
  const onCrash: (() => void)[] = [];
  let starts = 0;
  let startedAt: number | null = null;
  let startMs: number | null = null;
  let exitCode: number | null = null;
  let progress: ServiceStatus["progress"] = null;
  let note: string | null = null;
  let failure: LabError | undefined;
  const waiters = openStartWaiters(descriptor, () => ({ state: life.state, failure }));

  const isAbsent = () => life.state === "unavailable" && !program;
  const row = (): ServiceStatus => ({
    id: descriptor.id,
    title: descriptor.title,
    role: descriptor.role,
    state: life.state,
    kind: isAbsent() ? "absent" : (program?.kind ?? "real"),
    version: program?.version ?? null,
    url: isAbsent() ? null : (ports.url() ?? null),
    port: isAbsent() ? null : (ports.get() ?? null),
    pid: child?.pid ?? null,
    startedAt,
    startMs,
    restarts: Math.max(0, starts - 1),
    exitCode,
    progress,
    ...(child?.container === undefined ? {} : { container: child.container.facts() }),
    note:
      life.state === "waiting" ? waitingNote(world.waitsFor()) : (note ?? program?.note ?? null),
  });
  const changed = () => world.changed(row());
  const dispatch = (event: LifeEvent) => {
    const before = life.state;
    life = nextLife(life, event);
    if (life.state === before) return;
    progress = null;
    changed();
    waiters.tell();
  };
  const show = (step: string, done: number) => {
    if (life.state !== "preparing" && life.state !== "starting") return;
    if (progress?.step === step && progress.done === done) return;
    progress = { step, done };
    changed();
  };
  output.follow((line) => {
    const told = parseProgress(line);
    if (told) show(told.step, told.done);
  });

  const contextFor = (signal: AbortSignal, leash: Leash): LaunchContext => ({
    dir: world.dir,
    serviceDir: join(world.dir, descriptor.id),
    secrets: world.secrets,
    origin: world.origin,
    version: world.version,
    env: world.env,
    port: ports.demand,
    portOf: world.portOf,
    appPortOf: world.appPortOf,
    futurePortOf: world.futurePortOf,
    report: show,
    run: (command, options) =>
      runHelper(command, options ?? {}, { env: world.env, leash, signal, helpers }),
    signal,
  });

  /** One try, from waiting for dependencies to the end of the process. Never rejects. */
  const live = async (signal: AbortSignal) => {
    try {
      const leash = await world.leash();
      heldBy = leash;
      let begun = performance.now();
      const dependenciesReady = world.dependenciesReady(signal).then(() => {
        begun = performance.now();
        dispatch({ type: "dependencies-ready" });
      });
      dependenciesReady.catch(() => {});
      if (!descriptor.embedded.loadsEarly) await dependenciesReady;
      program = await findProgram(descriptor, world.env, {
        fetches: true,
        report: (step, done) => {
          fetching.resolve();
          show(step, done);
        },
        signal,
      });
      await ports.assign();
      signal.throwIfAborted();
      let counted = false;
      await runService({
        descriptor,
        program,
        context: contextFor(signal, leash),
        env: world.env,
        leash,
        ports,
        output,
        dependenciesReady,
        on: {
          prepared: () => dispatch({ type: "prepared" }),
          spawned: (spawned) => {
            child = spawned;
            spawned.container?.onChange(changed);
            // Another process of the same start only takes another port.
            if (!counted) starts++;
            counted = true;
            startedAt = Date.now();
            void spawned.exited.then((exit) => {
              exitCode = exitCodeOf(exit);
            });
            changed();
          },
          answered: () => {
            failure = undefined;
            note = null;
            startMs = Math.round(performance.now() - begun);
            dispatch({ type: "answered", at: performance.now() });
          },
          ended: () => {
            child = undefined;
            standstill.release();
          },
          moved: () => {
            dispatch({ type: "moved" });
            world.moved();
          },
        },
      });
    } catch (error) {
      afterLife(signal, error);
    }
  };

  const stopProcesses = async ({ pid, freeze: own }: Running): Promise<() => void> => {
    if (own) return own();
    return pid === undefined ? () => {} : freeze(pid, (leader) => heldBy?.hold(leader)).thaw;
  };
  const running = (): Running => {
    if (child && (child.pid !== undefined || child.container)) return child;
    throw new LabError("service-not-running", `${descriptor.title} does not run now.`, {
      hint: `Start it with: npm run lab -- restart ${descriptor.id}`,
    });
  };

  const afterLife = (signal: AbortSignal, error: unknown) => {
    afterProcess(signal, error);
    for (const noticed of onCrash.splice(0)) noticed();
  };
  const afterProcess = (signal: AbortSignal, error: unknown) => {
    if (signal.aborted) {
      note = null;
      dispatch({ type: "exited" });
      return;
    }
    const told = failureOf.attempt(error, descriptor, output.path);
    failure = told.error;
    if (told.kind === "impossible") {
      note = `${told.error.message} ${told.error.hint}`;
      output.note(note);
      dispatch({ type: "impossible" });
      return;
    }
    const leased = leases > 0 || !told.counts;
    const event = { type: "crashed", at: performance.now(), leased } as const;
    const next = nextLife(life, event);
    const looping = next.state === "crash-looping";
    const delay = world.backOffMs(next.streak);
    if (looping) failure = failureOf.crashLooping(descriptor, told, output.path);
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
    state: () => life.state,
    port: ports.get,
    futurePort: async (name) => {
      await ports.assign();
      return ports.get(name);
    },
    fetching: fetching.promise,
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
    settled: waiters.wait,
    stop: async () => {
      note = null;
      standstill.release();
      dispatch({ type: "stop" });
      attempt.abort();
      await living;
    },
    returning: waiters.returning,
    force: () => {
      standstill.release();
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
    kill: async () => {
      const victim = running();
      const noticed = Promise.withResolvers<void>();
      onCrash.push(noticed.resolve);
      leases++;
      victim.signal("SIGKILL");
      await noticed.promise;
      leases--;
    },
    pause: () => standstill.hold(async () => stopProcesses(running())),
    resume: standstill.release,
    paused: standstill.isHeld,
  };
}

function waitingNote(titles: readonly string[]): string | null {
  return titles.length > 0 ? `Waits for ${titles.join(" and ")}.` : null;
}
