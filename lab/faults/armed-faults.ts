import type { ServiceId } from "#lab/services/ids.ts";
import type { System } from "#lab/system.ts";
import type { Lease } from "#scenarios/define.ts";
import type { Fault } from "#scenarios/fault.ts";

/** What a run broke. Ends by itself where a fault has a time of its own, and whole with {@link ArmedFaults.disarm}. */
export interface ArmedFaults {
  /** Something is still broken. */
  readonly active: () => boolean;
  /** The run's request has come: from now on times count. Later calls do nothing. */
  readonly begin: () => void;
  /**
   * Ends what lasts as long as the run's driver. What has a time of its own goes on for that time,
   * unless that has never begun.
   */
  readonly driverEnded: () => void;
  /** Ends everything. Never rejects, and may be called at any time, again and again. */
  readonly disarm: () => Promise<void>;
}

/** The part of the system that faults are put on. */
export type Breakable = Pick<System, "arm" | "kill" | "pause" | "resume" | "start" | "stop">;

interface Armed {
  readonly fault: Fault;
  readonly mend: () => Promise<void>;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Breaks what a scenario asks for. Resolves once all of it holds, but for what waits for its time.
 * Times count from {@link ArmedFaults.begin}: a driver on a busy machine may take longer to come than
 * an outage is to last. Should one fail, what was broken before it is mended and the call rejects.
 * @param onCalm is called whenever the last of them has ended.
 */
export async function armFaults(
  system: Breakable,
  faults: readonly Fault[],
  onCalm: () => void,
): Promise<ArmedFaults> {
  const armed = new Set<Armed>();
  /** What starts the times, until they run. */
  const clocks: (() => void)[] = [];

  const end = async (one: Armed): Promise<void> => {
    if (!armed.delete(one)) return;
    clearTimeout(one.timer);
    // A service that cannot be mended shows on its own row.
    await one.mend().catch(() => {});
    if (armed.size === 0) onCalm();
  };
  const endAll = async (which: (one: Armed) => boolean): Promise<void> => {
    await Promise.all([...armed].filter(which).map(end));
  };

  const endIn = (one: Armed): void => {
    if (one.fault.forMs !== undefined && armed.has(one))
      one.timer = setTimeout(() => void end(one), one.fault.forMs).unref();
  };
  const breakLater = (fault: Fault, afterMs: number): void => {
    let breaking: ReturnType<typeof breakOne> | undefined;
    // Should it end while it is being broken, it is mended once it is broken.
    const mend = async () => (await breaking)?.();
    const one: Armed = { fault, mend, timer: undefined };
    armed.add(one);
    const breakNow = (): void => {
      breaking = breakOne(system, fault);
      breaking.then(
        (mends) => (mends === undefined ? end(one) : endIn(one)),
        () => end(one),
      );
    };
    clocks.push(() => {
      if (armed.has(one)) one.timer = setTimeout(breakNow, afterMs).unref();
    });
  };

  try {
    for (const fault of faults) {
      if (fault.afterMs !== undefined) {
        breakLater(fault, fault.afterMs);
        continue;
      }
      const mend = await breakOne(system, fault);
      if (mend === undefined) continue;
      const one: Armed = { fault, mend, timer: undefined };
      armed.add(one);
      clocks.push(() => endIn(one));
    }
  } catch (error) {
    await endAll(() => true);
    throw error;
  }
  return {
    active: () => armed.size > 0,
    begin: () => {
      for (const start of clocks.splice(0)) start();
    },
    driverEnded: () => void endAll(({ fault }) => fault.forMs === undefined || clocks.length > 0),
    disarm: () => endAll(() => true),
  };
}

/** Resolves with what mends it; undefined for what mends itself. */
async function breakOne(
  system: Breakable,
  fault: Fault,
): Promise<(() => Promise<void>) | undefined> {
  switch (fault.kind) {
    case "proxy":
      return system.arm(fault.target, fault.toxic);
    case "service": {
      const { service, action } = fault;
      switch (action) {
        case "kill":
          await system.kill(service);
          return undefined;
        case "pause":
          await system.pause(service);
          return () => system.resume(service);
        case "stop":
          await system.stop(service);
          // Whether it is ready again, its row tells: nobody has to wait here.
          return async () => void system.start(service).catch(() => {});
      }
    }
  }
}

/** The service that a fault is put on. */
export function brokenService(fault: Fault): ServiceId {
  switch (fault.kind) {
    case "proxy":
      return fault.target === "collector" ? "store" : fault.target;
    case "service":
      return fault.service;
  }
}

/** What has to be held alone to break it. */
export function brokenLease(fault: Fault): Lease {
  const service = brokenService(fault);
  return service === "store" ? "collector" : (service as Exclude<Lease, "metrics" | "collector">);
}
