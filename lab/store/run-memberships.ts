import { standsAt, viewOf } from "./byte-words.ts";
import type { RunIndex } from "./run-index.ts";
import type { TraceTable } from "./trace-table.ts";

/** Keeps which run each trace belongs to, while its spans and logs are added. */
export interface RunMemberships {
  /** Number of the run whose id these bytes are; 0 for none. */
  readonly runOf: (view: DataView, offset: number, length: number) => number;
  readonly join: (trace: number, run: number) => void;
}

export function runMemberships(runs: RunIndex, traces: TraceTable): RunMemberships {
  let last = { id: viewOf(new Uint8Array(0)), length: 0, run: 0 };
  return {
    runOf: (view, offset, length) => {
      if (length === 0) return 0;
      // Neighbours mostly belong to one run: comparing costs less than making a string.
      if (last.length === length && standsAt(last.id, length, view, offset)) return last.run;
      const id = Buffer.from(new Uint8Array(view.buffer, view.byteOffset + offset, length));
      last = { id: viewOf(id), length, run: runs.number(id.toString("utf8")) };
      return last.run;
    },
    join: (trace, run) => {
      if (run === 0 || trace === 0) return;
      const { run: known } = traces.entry();
      if (known[trace] === run) return;
      if (known[trace] === 0) known[trace] = run;
      runs.add(run, trace);
    },
  };
}
