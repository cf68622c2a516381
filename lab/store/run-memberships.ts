import type { RunIndex } from "./run-index.ts";
import type { TraceTable } from "./trace-table.ts";

/** Keeps which run each trace belongs to, while its spans and logs are added. */
export interface RunMemberships {
  /** Number of the run whose id these bytes are; 0 for none. */
  readonly runOf: (bytes: Buffer, offset: number, length: number) => number;
  readonly join: (trace: number, run: number) => void;
}

export function runMemberships(runs: RunIndex, traces: TraceTable): RunMemberships {
  let last = { bytes: Buffer.alloc(0), run: 0 };
  return {
    runOf: (bytes, offset, length) => {
      if (length === 0) return 0;
      // Neighbours mostly belong to one run: comparing costs less than making a string.
      const { bytes: known } = last;
      if (known.length === length) {
        let same = 0;
        while (same < length && known[same] === bytes[offset + same]) same++;
        if (same === length) return last.run;
      }
      const text = bytes.toString("utf8", offset, offset + length);
      last = {
        bytes: Buffer.from(bytes.subarray(offset, offset + length)),
        run: runs.number(text),
      };
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
