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
    /** Row that the last hash of the current span will have, and the first span not yet copied. */
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
        copySpans(spans, s, pending, i);
        pending = i + 1;
        continue;
      }
      hashRow += (s.hashStart[i + 1] as number) - (s.hashStart[i] as number);
      const columns = spans.columnsOf(row);
      const at = row & rowMask;
      const group = firstGroup + (s.group[i] as number);
      const startLow = s.start[i * 2] as number;
      const startHigh = s.start[i * 2 + 1] as number;
      const start = (startHigh - baseHigh) * 0x1_0000_0000 + (startLow - baseLow);
      const duration =
        ((s.end[i * 2 + 1] as number) - startHigh) * 0x1_0000_0000 +
        ((s.end[i * 2] as number) - startLow);
      columns.start[at] = start;
      columns.duration[at] = Math.max(0, duration);
      if (isFarOff(start, arrived) || isFarOff(start + duration, arrived)) {
        s.marks[i] = (s.marks[i] as number) | spanMark.farOff;
        counts.farOff++;
      }
      columns.name[at] = names.intern(view, s.nameOffset[i] as number, s.nameLength[i] as number);
      columns.group[at] = group;
      columns.service[at] = spanGroups.columnsOf(group).service[group & rowMask] as number;
      columns.offset[at] = place.offset + (s.offset[i] as number);
      columns.lastHash[at] = hashRow;
      counts.spans++;
      grown ??= growth.of(trace);
      grown.spans++;
      memberships.join(
        trace,
        memberships.runOf(view, s.runOffset[i] as number, s.runLength[i] as number),
      );
    }
    copySpans(spans, s, pending, s.count);
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

/** Copies what is stored as it was staged of spans whose rows are the newest: whole columns at once. */
function copySpans(spans: SpanTable, s: SpanStage, begin: number, end: number): void {
  copyHashes(spans, s, s.hashStart[begin] as number, s.hashStart[end] as number);
  let from = begin;
  let row = spans.last() + 1 - (end - begin);
  while (from < end) {
    const columns = spans.columnsOf(row);
    const at = row & rowMask;
    // Up to the end of this chunk at most.
    const until = Math.min(end, from + columns.kind.length - at);
    columns.parentId.set(s.parentId.subarray(from * 2, until * 2), at * 2);
    columns.kind.set(s.kind.subarray(from, until), at);
    columns.status.set(s.status.subarray(from, until), at);
    columns.marks.set(s.marks.subarray(from, until), at);
    columns.length.set(s.length.subarray(from, until), at);
    row += until - from;
    from = until;
  }
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
