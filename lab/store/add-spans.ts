import { type Adding, serviceOf } from "./adding.ts";
import { viewOf } from "./byte-words.ts";
import { rowMask } from "./chunked-table.ts";
import { isFarOff } from "./clock.ts";
import { addGroups } from "./group-table.ts";
import type { Growth } from "./growth.ts";
import type { RecordPlace } from "./segment-format.ts";
import { type SpanStage, spanMark } from "./span-stage.ts";
import type { SpanTable } from "./span-table.ts";

/** Makes the function that takes over what a scan found in `bytes`, which lie at `place` now. */
export function spanAdder({
  traces,
  spans,
  spanGroups,
  names,
  services,
  memberships,
  growth,
  counts,
  base,
}: Adding): (bytes: Buffer, stage: SpanStage, place: RecordPlace) => void {
  return (bytes, s, place) => {
    const view = viewOf(bytes);
    const service = serviceOf(services, view, s.groups);
    const firstGroup = addGroups(spanGroups, s.groups, place, spans.last() + 1, service);
    const { low: baseLow, high: baseHigh } = base();
    const arrived = place.receivedAt * 1e6 - (baseHigh * 0x1_0000_0000 + baseLow);
    let trace = 0;
    let grown: Growth | undefined;
    /** Row that the last hash of the current span will have, and the first hash not yet copied. */
    let hashRow = spans.hashes.last();
    let pending = 0;
    for (let i = 0; i < s.count; i++) {
      // Spans of a trace mostly come one after the other.
      if (trace === 0 || !isTraceOfPrevious(s.traceId, i)) {
        trace = traces.ensure(
          s.traceId[i * 4] as number,
          s.traceId[i * 4 + 1] as number,
          s.traceId[i * 4 + 2] as number,
          s.traceId[i * 4 + 3] as number,
        );
        grown = undefined;
      }
      const row = spans.claim(trace, s.spanId[i * 2] as number, s.spanId[i * 2 + 1] as number);
      if (row === 0) {
        // An exporter that got no answer sends again what is already here.
        copyHashes(spans, s, pending, s.hashStart[i] as number);
        pending = s.hashStart[i + 1] as number;
        continue;
      }
      hashRow += (s.hashStart[i + 1] as number) - (s.hashStart[i] as number);
      const columns = spans.columnsOf(row);
      const at = row & rowMask;
      const group = firstGroup + (s.group[i] as number);
      columns.parentId[at * 2] = s.parentId[i * 2] as number;
      columns.parentId[at * 2 + 1] = s.parentId[i * 2 + 1] as number;
      const startLow = s.start[i * 2] as number;
      const startHigh = s.start[i * 2 + 1] as number;
      const start = (startHigh - baseHigh) * 0x1_0000_0000 + (startLow - baseLow);
      const duration =
        ((s.end[i * 2 + 1] as number) - startHigh) * 0x1_0000_0000 +
        ((s.end[i * 2] as number) - startLow);
      columns.start[at] = start;
      columns.duration[at] = Math.max(0, duration);
      let marks = s.marks[i] as number;
      if (isFarOff(start, arrived) || isFarOff(start + duration, arrived)) {
        marks |= spanMark.farOff;
        counts.farOff++;
      }
      columns.marks[at] = marks;
      columns.kind[at] = s.kind[i] as number;
      columns.status[at] = s.status[i] as number;
      columns.name[at] = names.intern(view, s.nameOffset[i] as number, s.nameLength[i] as number);
      columns.group[at] = group;
      columns.service[at] = spanGroups.columnsOf(group).service[group & rowMask] as number;
      columns.offset[at] = place.offset + (s.offset[i] as number);
      columns.length[at] = s.length[i] as number;
      columns.lastHash[at] = hashRow;
      counts.spans++;
      grown ??= growth.of(trace);
      grown.spans++;
      memberships.join(
        trace,
        memberships.runOf(view, s.runOffset[i] as number, s.runLength[i] as number),
      );
    }
    copyHashes(spans, s, pending, s.hashCount);
  };
}

function isTraceOfPrevious(ids: Uint32Array, i: number): boolean {
  const at = i * 4;
  return (
    ids[at] === ids[at - 4] &&
    ids[at + 1] === ids[at - 3] &&
    ids[at + 2] === ids[at - 2] &&
    ids[at + 3] === ids[at - 1]
  );
}

/** Copies staged hashes to the table's end. */
function copyHashes(spans: SpanTable, s: SpanStage, begin: number, end: number): void {
  let from = begin;
  let row = spans.hashes.pushMany(end - begin);
  while (from < end) {
    const { hash } = spans.hashes.columnsOf(row);
    // Up to the end of this chunk at most.
    const until = Math.min(end, from + hash.length - (row & rowMask));
    hash.set(s.hashes.subarray(from, until), row & rowMask);
    row += until - from;
    from = until;
  }
}
