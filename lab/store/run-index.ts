/** Which traces carry a run's id. Runs are numbered from 1, so that columns can name them. */
export interface RunIndex {
  readonly number: (runId: string) => number;
  readonly find: (runId: string) => number;
  readonly id: (run: number) => string | null;
  readonly add: (run: number, trace: number) => void;
  readonly traces: (run: number) => ReadonlySet<number>;
  /** Takes traces away that no longer exist. */
  readonly forget: (gone: (trace: number) => boolean) => void;
  /** Everything as JSON, and back into an empty index. */
  readonly save: () => unknown;
  readonly load: (json: unknown) => void;
}

export function runIndex(): RunIndex {
  const numbers = new Map<string, number>();
  const ids: string[] = [""];
  const traces: Set<number>[] = [new Set()];
  return {
    number: (runId) => {
      const known = numbers.get(runId);
      if (known !== undefined) return known;
      numbers.set(runId, ids.length);
      traces.push(new Set());
      return ids.push(runId) - 1;
    },
    find: (runId) => numbers.get(runId) ?? 0,
    id: (run) => (run === 0 ? null : (ids[run] ?? null)),
    add: (run, trace) => traces[run]?.add(trace),
    traces: (run) => traces[run] ?? new Set(),
    forget: (gone) => {
      for (const set of traces) for (const trace of set) if (gone(trace)) set.delete(trace);
    },
    save: () => ids.map((id, run) => [id, [...(traces[run] ?? [])]]),
    load: (json) => {
      for (const [run, [id, members]] of (json as [string, number[]][]).entries()) {
        ids[run] = id;
        traces[run] = new Set(members);
        if (run > 0) numbers.set(id, run);
      }
    },
  };
}
