import type { ServiceState } from "#lab/api/services.ts";

/** Unleased crashes within {@link crashWindowMs} after which a service is left alone. */
export const crashLimit = 5;
export const crashWindowMs = 60_000;
/** A service that was ready for so long starts with the shortest back-off again. */
const steadyMs = 10_000;

/** All that the life cycle remembers of a service. Times are milliseconds of any steady clock. */
export interface Life {
  readonly state: ServiceState;
  /** Since when it is ready; null while it is not. */
  readonly readySince: number | null;
  /** Times of the unleased crashes of the last minute. */
  readonly crashes: readonly number[];
  /** Crashes in a row without a steady time between. */
  readonly streak: number;
}

export type LifeEvent =
  | { readonly type: "start" }
  | { readonly type: "dependencies-ready" }
  | { readonly type: "prepared" }
  | { readonly type: "answered"; readonly at: number }
  /** It gets another port: somebody else has its own, and may have answered in its place. */
  | { readonly type: "moved" }
  /** It ended, or could not be prepared, without having been asked to. */
  | { readonly type: "crashed"; readonly at: number; readonly leased: boolean }
  /** Trying again cannot help: no program, a port that somebody insists on is taken. */
  | { readonly type: "impossible" }
  | { readonly type: "retry" }
  | { readonly type: "stop" }
  | { readonly type: "exited" };

export const newborn: Life = { state: "stopped", readySince: null, crashes: [], streak: 0 };

/** State × event → next state; what is not listed changes nothing. A crash leads to `crash-looping` instead once the limit is reached. */
const transitions: Readonly<
  Record<ServiceState, Partial<Readonly<Record<LifeEvent["type"], ServiceState>>>>
> = {
  stopped: { start: "waiting" },
  waiting: {
    "dependencies-ready": "preparing",
    // The state folder cannot be used.
    crashed: "backing-off",
    impossible: "unavailable",
    stop: "stopped",
  },
  preparing: {
    prepared: "starting",
    crashed: "backing-off",
    impossible: "unavailable",
    stop: "stopping",
  },
  starting: {
    answered: "ready",
    crashed: "backing-off",
    impossible: "unavailable",
    stop: "stopping",
  },
  ready: { moved: "preparing", crashed: "backing-off", stop: "stopping" },
  "backing-off": { retry: "waiting", start: "waiting", stop: "stopped" },
  "crash-looping": { start: "waiting", stop: "stopped" },
  unavailable: { start: "waiting", stop: "stopped" },
  stopping: { exited: "stopped" },
};

/** The life after an event; the same object when the event means nothing in this state. */
export function nextLife(life: Life, event: LifeEvent): Life {
  const state = transitions[life.state][event.type];
  if (state === undefined) return life;
  switch (event.type) {
    case "crashed":
      return afterCrash(life, event.at, event.leased);
    case "answered":
      return { ...life, state, readySince: event.at };
    case "start":
    case "stop":
      return { state, readySince: null, crashes: [], streak: 0 };
    case "dependencies-ready":
    case "prepared":
    case "moved":
    case "impossible":
    case "retry":
    case "exited":
      return { ...life, state, readySince: null };
  }
}

function afterCrash(life: Life, at: number, leased: boolean): Life {
  const recent = life.crashes.filter((time) => at - time < crashWindowMs);
  const crashes = leased ? recent : [...recent, at];
  const steady = life.readySince !== null && (leased || at - life.readySince >= steadyMs);
  return {
    state: crashes.length >= crashLimit ? "crash-looping" : "backing-off",
    readySince: null,
    crashes,
    streak: steady ? 1 : life.streak + 1,
  };
}

/** Wait before the next try after `streak` crashes in a row: 0.25 s, doubled each time, at most 10 s. */
export function backOffMs(streak: number): number {
  return Math.min(10_000, 250 * 2 ** Math.max(0, streak - 1));
}
