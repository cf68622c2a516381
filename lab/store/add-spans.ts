import { type Adding, serviceOf } from "./adding.ts";
import { viewOf } from "./byte-words.ts";
import { rowMask } from "./chunked-table.ts";
import { isFarOff } from "./clock.ts";
import { addGroups } from "./group-table.ts";
import type { RecordPlace } from "./segment-format.ts";
import { moveStaged, type SpanStage, spanMark } from "./span-stage.ts";
import type { SpanColumns, SpanTable } from "./span-table.ts";

/**
 * Makes the function that takes over what a scan found in `bytes`, which lie at `place` now. The
 * stage is without the spans then that were known already.
 */
export function spanAdder(
  adding: Adding,
): (bytes: Buffer, stage: SpanStage, place: RecordPlace) => void {
  const { spans, spanGroups, services, counts } = adding;
  const claim = rowClaimer(adding);
  const fill = columnFiller(adding);
  return (bytes, s, place) => {
    const view = viewOf(bytes);
    const service = serviceOf(services, view, s.groups);
    let row = spans.last() + 1;
    const firstGroup = addGroups(spanGroups, s.groups, place, row, service);
    claim(s);
    counts.spans += s.count;
    const hashes = spans.hashes.last();
    copyHashes(spans, s);
    for (let from = 0; from < s.count; ) {
      const columns = spans.columnsOf(row);
      const at = row & rowMask;
      // Up to the end of this chunk at most.
      const until = Math.min(s.count, from + columns.kind.length - at);
      fill(columns, at, { view, s, place, firstGroup, hashes, from, until });
      copyColumns(columns, at, s, from, until);
      row += until - from;
      from = until;
    }
  };
}

/**
 * Makes a row for each staged span, one after the other, and drops those from the stage that have one
 * already: an exporter that got no answer sends again what is here.
 */
function rowClaimer({ traces, spans, growth }: Adding): (s: SpanStage) => void {
  return (s) => {
    const { count, traceId, spanId } = s;
    let kept = 0;
    for (let i = 0; i < count; ) {
      const trace = traces.ensure(
        traceId[i * 4] as number,
        traceId[i * 4 + 1] as number,
        traceId[i * 4 + 2] as number,
        traceId[i * 4 + 3] as number,
      );
      const before = kept;
      // Spans of a trace mostly come one after the other.
      do {
        if (spans.claim(trace, spanId, i * 2) !== 0) {
          if (kept < i) moveStaged(s, i, kept);
          kept++;
        }
        i++;
      } while (i < count && isTraceOfPrevious(traceId, i));
      if (kept > before) growth.of(trace).spans += kept - before;
    }
    s.count = kept;
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

/** Staged spans whose rows lie in one chunk. */
interface Filling {
  readonly view: DataView;
  readonly s: SpanStage;
  readonly place: RecordPlace;
  readonly firstGroup: number;
  /** Row of the hash before their request's first. */
  readonly hashes: number;
  readonly from: number;
  readonly until: number;
}

/** Fills from `at` on the columns that are not as they were staged. */
function columnFiller({
  spanGroups,
  names,
  memberships,
  counts,
  base,
}: Adding): (columns: SpanColumns, at: number, filling: Filling) => void {
  return (columns, firstAt, { view, s, place, firstGroup, hashes, from, until }) => {
    const { low: baseLow, high: baseHigh } = base();
    const arrived = place.receivedAt * 1e6 - (baseHigh * 0x1_0000_0000 + baseLow);
    const { trace, start, duration, name, group, service, offset, lastHash } = columns;
    let groupRow = -1;
    let serviceNumber = 0;
    for (let i = from, at = firstAt; i < until; i++, at++) {
      const startLow = s.start[i * 2] as number;
      const startHigh = s.start[i * 2 + 1] as number;
      const begun = (startHigh - baseHigh) * 0x1_0000_0000 + (startLow - baseLow);
      const lasted =
        ((s.end[i * 2 + 1] as number) - startHigh) * 0x1_0000_0000 +
        ((s.end[i * 2] as number) - startLow);
      start[at] = begun;
      duration[at] = lasted > 0 ? lasted : 0;
      if (isFarOff(begun, arrived) || isFarOff(begun + lasted, arrived)) {
        s.marks[i] = (s.marks[i] as number) | spanMark.farOff;
        counts.farOff++;
      }
      const ofGroup = firstGroup + (s.group[i] as number);
      if (ofGroup !== groupRow) {
        groupRow = ofGroup;
        serviceNumber = spanGroups.columnsOf(ofGroup).service[ofGroup & rowMask] as number;
      }
      group[at] = ofGroup;
      service[at] = serviceNumber;
      name[at] = names.intern(view, s.nameOffset[i] as number, s.nameLength[i] as number);
      offset[at] = place.offset + (s.offset[i] as number);
      lastHash[at] = hashes + (s.hashStart[i + 1] as number);
      const run = memberships.runOf(view, s.runOffset[i] as number, s.runLength[i] as number);
      if (run !== 0) memberships.join(trace[at] as number, run);
    }
  };
}

/** Copies what is stored as it was staged: whole columns at once. */
function copyColumns(
  columns: SpanColumns,
  at: number,
  s: SpanStage,
  from: number,
  until: number,
): void {
  columns.parentId.set(s.parentId.subarray(from * 2, until * 2), at * 2);
  columns.kind.set(s.kind.subarray(from, until), at);
  columns.status.set(s.status.subarray(from, until), at);
  columns.marks.set(s.marks.subarray(from, until), at);
  columns.length.set(s.length.subarray(from, until), at);
}

/** Copies the hashes of all staged spans to the table's end. */
function copyHashes(spans: SpanTable, s: SpanStage): void {
  const end = s.hashStart[s.count] as number;
  let from = 0;
  let row = spans.hashes.pushMany(end);
  while (from < end) {
    const { hash } = spans.hashes.columnsOf(row);
    // Up to the end of this chunk at most.
    const until = Math.min(end, from + hash.length - (row & rowMask));
    hash.set(s.hashes.subarray(from, until), row & rowMask);
    row += until - from;
    from = until;
  }
}
