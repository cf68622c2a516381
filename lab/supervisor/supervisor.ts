import type { ServiceStatus } from "#lab/api/services.ts";
import { LabError } from "#lab/errors.ts";
import { isAskable, isAskedFor } from "#lab/providers/asked-for.ts";
import { binVariable } from "#lab/providers/bin-variable.ts";
import type { LaunchContext, ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import { type Env, openLabDir } from "#lab/state/lab-dir.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import type { System } from "#lab/system.ts";
import type { ProxyTarget } from "#scenarios/fault.ts";
import { type Leash, type LeashOptions, openLeash, sweepLeftovers } from "./leash.ts";
import { backOffMs } from "./lifecycle.ts";
import { portVariable } from "./port-table.ts";
import { startOrder } from "./start-order.ts";
import { createUnit, type Unit } from "./unit.ts";

/** Whole shutdown: after this everything left gets SIGKILL. */
const shutdownMs = 4_000;

export interface SupervisorOptions {
  readonly descriptors: readonly ServiceDescriptor[];
  /** The lab's state folder. */
  readonly dir: string;
  readonly secrets: Secrets;
  readonly origin: string;
  readonly env: Env;
  readonly version: string;
  readonly leash?: LeashOptions;
  /** Ports of the proxies in front of the services that a fault can be put on; without it, those of the services. */
  readonly appPortOf?: LaunchContext["appPortOf"];
  /** Wait before the next try after so many crashes in a row, in milliseconds. */
  readonly backOffMs?: (streak: number) => number;
}

/** Services as processes of this machine. */
export type Supervisor = Omit<System, "runtime" | "arm" | "armed" | "facts">;

/** Sweeps what an earlier lab left, then starts every service as soon as those it depends on are ready. */
export function openSupervisor(options: SupervisorOptions): Supervisor {
  const { dir } = options;
  let ground: Promise<Leash> | undefined;
  /** Shared by all services; tried anew after a failure, since a full disk may have space again. */
  const leash = () => {
    ground ??= prepareGround(dir, options.leash).catch((error: unknown) => {
      ground = undefined;
      throw error;
    });
    return ground;
  };

  const listeners = new Set<(row: ServiceStatus) => void>();
  const rowWaiters = new Set<() => void>();
  let stopping: Promise<void> | undefined;

  const changed = (row: ServiceStatus) => {
    for (const listener of listeners) tell(listener, row);
    for (const wake of rowWaiters) wake();
  };
  const ordered = startOrder(options.descriptors);
  const units = new Map<ServiceId, Unit>();
  const unitOf = (id: ServiceId): Unit => {
    const unit = units.get(id);
    if (unit) return unit;
    throw new LabError("no-such-service", `There is no service ${id} here.`, {
      hint: `There are: ${[...units.keys()].join(", ")}.`,
    });
  };
  const dependantsOf = (id: ServiceId) =>
    [...units.values()].filter((unit) => unit.descriptor.dependsOn.includes(id));

  /** Zero, a port on which nobody answers, for a service that is not part of this system. */
  const directPortOf = (target: ProxyTarget) =>
    units.get(target === "collector" ? "store" : target)?.port() ?? 0;

  for (const descriptor of ordered) {
    const waitsFor = () =>
      descriptor.dependsOn
        .map((id) => unitOf(id))
        .filter((needed) => needed.state() !== "ready")
        .map((needed) => needed.descriptor.title);
    const world = {
      dir,
      env: options.env,
      secrets: options.secrets,
      origin: options.origin,
      version: options.version,
      leash,
      backOffMs: options.backOffMs ?? backOffMs,
      portOf: (id: ServiceId, name?: string) => {
        const port = unitOf(id).port(name);
        if (port === undefined) throw new Error(`${id} has no port ${name ?? "yet"}`);
        return port;
      },
      appPortOf: options.appPortOf ?? (async (target) => directPortOf(target)),
      futurePortOf: async (id: ServiceId, name?: string) =>
        units
          .get(id)
          ?.futurePort(name)
          .catch(() => undefined),
      waitsFor,
      dependenciesReady: (signal: AbortSignal) =>
        until(() => waitsFor().length === 0, rowWaiters, signal),
      changed,
      moved: () => {
        for (const dependant of dependantsOf(descriptor.id))
          if (dependant.row().pid !== null) restart(dependant).catch(() => {});
      },
    };
    units.set(descriptor.id, createUnit(descriptor, world));
  }

  const start = async (unit: Unit): Promise<void> => {
    refuseWhileStopping();
    await Promise.all(
      unit.descriptor.dependsOn.map((id) => {
        const needed = unitOf(id);
        return needed.state() === "ready" ? undefined : start(needed);
      }),
    );
    refuseWhileStopping();
    unit.begin();
    await unit.settled();
  };
  const restart = async (unit: Unit): Promise<void> => {
    refuseWhileStopping();
    const returned = unit.returning();
    try {
      await unit.stop();
      await start(unit);
    } finally {
      returned();
    }
  };
  const refuseWhileStopping = () => {
    if (stopping)
      throw new LabError("stopping", "The lab is stopping.", { hint: "Start it again first." });
  };
  /** Each service stops once those that depend on it have. */
  const stopAll = async () => {
    const done = new Map<ServiceId, Promise<void>>();
    for (const { id } of ordered.toReversed()) {
      const dependants = dependantsOf(id).map((unit) => done.get(unit.descriptor.id));
      done.set(
        id,
        Promise.all(dependants).then(() => unitOf(id).stop()),
      );
    }
    const timer = setTimeout(forceAll, shutdownMs);
    await Promise.all(done.values());
    clearTimeout(timer);
    (await ground?.catch(() => undefined))?.release();
    for (const unit of units.values()) unit.output.close();
  };
  const forceAll = () => {
    for (const unit of units.values()) unit.force();
  };

  const outcomeOf = (unit: Unit): Promise<void> =>
    unit.settled().catch((error: unknown) => {
      const { id, presence } = unit.descriptor;
      const asked =
        [binVariable(id), portVariable(id)].some((setting) => options.env[setting]) ||
        (isAskable(id) && isAskedFor(options.env, id));
      if (presence !== "optional" || asked) throw error;
    });

  for (const unit of units.values()) unit.begin();
  const firstStart = new Map([...units.values()].map((unit) => [unit, outcomeOf(unit)]));
  for (const outcome of firstStart.values()) outcome.catch(() => {});

  return {
    ready: async ({ fetches = true } = {}) => {
      await Promise.all(
        [...firstStart].map(([unit, outcome]) =>
          fetches || unit.descriptor.presence === undefined
            ? outcome
            : Promise.race([outcome, unit.fetching]),
        ),
      );
    },
    services: () => ordered.map(({ id }) => unitOf(id).row()),
    url: (id, port) => units.get(id)?.url(port),
    log: async (id, lines) => unitOf(id).output.tail(lines),
    followLog: (id, onLine, signal) => {
      if (signal.aborted) return;
      const stop = unitOf(id).output.follow(onLine);
      signal.addEventListener("abort", stop, { once: true });
    },
    start: (id) => start(unitOf(id)),
    stop: (id) => unitOf(id).stop(),
    restart: (id) => restart(unitOf(id)),
    leaseCrashes: (id) => unitOf(id).leaseCrashes(),
    kill: (id) => unitOf(id).kill(),
    pause: async (id) => unitOf(id).pause(),
    resume: async (id) => unitOf(id).resume(),
    paused: () =>
      [...units.values()].filter((unit) => unit.paused()).map(({ descriptor }) => descriptor.id),
    metricSources: () =>
      ordered.flatMap(({ id, metrics }) =>
        metrics === undefined
          ? []
          : [
              {
                service: id,
                prefixes: metrics.prefixes,
                url: metricsUrl(units.get(id)?.url(metrics.port), metrics.path),
                headers: metrics.headers?.({ secrets: options.secrets }) ?? {},
              },
            ],
      ),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    shutdown: () => {
      if (stopping) forceAll();
      stopping ??= stopAll();
      return stopping;
    },
  };
}

const metricsUrl = (base: string | undefined, path: string): string | undefined =>
  base === undefined ? undefined : new URL(path, base).href;

/** A listener's mistake must come to light, and must not be taken for a service's crash. */
function tell(listener: (row: ServiceStatus) => void, row: ServiceStatus): void {
  try {
    listener(row);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

async function prepareGround(dir: string, options: LeashOptions | undefined): Promise<Leash> {
  await openLabDir(dir);
  await sweepLeftovers(dir);
  return openLeash(dir, options);
}

/** Resolves once `holds` does, looking again at every wake-up. */
function until(holds: () => boolean, wakers: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (!signal.aborted && !holds()) return;
      wakers.delete(look);
      signal.removeEventListener("abort", look);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    wakers.add(look);
    signal.addEventListener("abort", look, { once: true });
    look();
  });
}
