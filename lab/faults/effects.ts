import type { Toxic } from "#scenarios/fault.ts";

/** `requests` go from the app to the service, `answers` come back. */
export type Direction = "requests" | "answers";

/** What the toxics on a target do together to the bytes that go one way. */
export interface Effects {
  /** Nothing gets through. */
  readonly held: boolean;
  readonly latencyMs: number;
  /** Most that latency may be more or less than {@link latencyMs}. */
  readonly jitterMs: number;
  /** Infinity without a limit. */
  readonly bytesPerMs: number;
  /** Added to the way of a connection's end. */
  readonly slowCloseMs: number;
}

export const noEffects: Effects = {
  held: false,
  latencyMs: 0,
  jitterMs: 0,
  bytesPerMs: Number.POSITIVE_INFINITY,
  slowCloseMs: 0,
};

/**
 * Adds up the toxics that are armed at once: latencies are summed, the narrowest bandwidth and the
 * slowest close count. `down`, `reset` and `answer` are about whole connections and change nothing here.
 */
export const effectsOf = (toxics: readonly Toxic[], direction: Direction): Effects =>
  toxics.reduce((effects, toxic) => add(effects, toxic, direction), noEffects);

function add(effects: Effects, toxic: Toxic, direction: Direction): Effects {
  switch (toxic.kind) {
    case "latency":
      if (direction === "requests") return effects;
      return {
        ...effects,
        latencyMs: effects.latencyMs + toxic.ms,
        jitterMs: effects.jitterMs + (toxic.jitterMs ?? 0),
      };
    case "bandwidth":
      // A kilobyte per second is a byte per millisecond.
      return { ...effects, bytesPerMs: Math.min(effects.bytesPerMs, toxic.kilobytesPerSecond) };
    case "slow-close":
      return { ...effects, slowCloseMs: Math.max(effects.slowCloseMs, toxic.ms) };
    case "hang":
      return { ...effects, held: true };
    case "down":
    case "reset":
    case "answer":
      return effects;
  }
}
