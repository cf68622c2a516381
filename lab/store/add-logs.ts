import { type Adding, serviceOf } from "./adding.ts";
import { viewOf } from "./byte-words.ts";
import { rowMask } from "./chunked-table.ts";
import { isFarOff } from "./clock.ts";
import { addGroups } from "./group-table.ts";
import type { LogStage } from "./log-scan.ts";
import type { RecordPlace } from "./segment-format.ts";

/** Makes the function that takes over what a scan found in `bytes`, which lie at `place` now. */
export function logAdder({
  traces,
  logs,
  logGroups,
  services,
  memberships,
  growth,
  counts,
}: Adding): (bytes: Buffer, stage: LogStage, place: RecordPlace) => void {
  return (bytes, s, place) => {
    const view = viewOf(bytes);
    const service = serviceOf(services, view, s.groups);
    const firstGroup = addGroups(logGroups, s.groups, place, logs.last() + 1, service);
    for (let i = 0; i < s.count; i++) {
      const a = s.traceId[i * 4] as number;
      const b = s.traceId[i * 4 + 1] as number;
      const c = s.traceId[i * 4 + 2] as number;
      const d = s.traceId[i * 4 + 3] as number;
      const trace = (a | b | c | d) === 0 ? 0 : traces.ensure(a, b, c, d);
      const row = logs.push();
      const columns = logs.columnsOf(row);
      const at = row & rowMask;
      const group = firstGroup + (s.group[i] as number);
      const run = memberships.runOf(view, s.runOffset[i] as number, s.runLength[i] as number);
      columns.trace[at] = trace;
      columns.spanId[at * 2] = s.spanId[i * 2] as number;
      columns.spanId[at * 2 + 1] = s.spanId[i * 2 + 1] as number;
      columns.time[at * 2] = s.time[i * 2] as number;
      columns.time[at * 2 + 1] = s.time[i * 2 + 1] as number;
      columns.severity[at] = s.severity[i] as number;
      const time = (s.time[i * 2 + 1] as number) * 0x1_0000_0000 + (s.time[i * 2] as number);
      // A record may name no time at all.
      const farOff = time !== 0 && isFarOff(time, place.receivedAt * 1e6);
      columns.farOff[at] = farOff ? 1 : 0;
      if (farOff) counts.farOffLogs++;
      columns.run[at] = run;
      columns.group[at] = group;
      columns.service[at] = logGroups.columnsOf(group).service[group & rowMask] as number;
      columns.offset[at] = place.offset + (s.offset[i] as number);
      columns.length[at] = s.length[i] as number;
      counts.logs++;
      if (trace === 0) continue;
      const entry = traces.entry();
      columns.previous[at] = entry.lastLog[trace] as number;
      entry.lastLog[trace] = row;
      entry.logs[trace] = (entry.logs[trace] as number) + 1;
      memberships.join(trace, run);
      growth.of(trace).logs++;
    }
  };
}
