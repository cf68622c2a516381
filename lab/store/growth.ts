/** What arrived for one trace. */
export interface Growth {
  spans: number;
  logs: number;
  sentry: number;
}

/** Counts what arrives, by trace number. */
export interface TraceGrowth {
  readonly of: (trace: number) => Growth;
  /** What came since this was last called. */
  readonly take: () => ReadonlyMap<number, Readonly<Growth>>;
}

export function traceGrowth(): TraceGrowth {
  let growth = new Map<number, Growth>();
  return {
    of: (trace) => {
      const known = growth.get(trace);
      if (known !== undefined) return known;
      const fresh = { spans: 0, logs: 0, sentry: 0 };
      growth.set(trace, fresh);
      return fresh;
    },
    take: () => {
      const taken = growth;
      growth = new Map();
      return taken;
    },
  };
}
