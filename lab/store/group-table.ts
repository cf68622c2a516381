import { type ChunkedTable, chunkedTable, rowMask } from "./chunked-table.ts";
import type { ScanGroups } from "./scan-group.ts";
import type { RecordPlace } from "./segment-format.ts";

/** What the spans (or log records) of one ScopeSpans share: where they lie and who sent them. */
export interface GroupColumns {
  readonly segment: Uint32Array;
  readonly resourceOffset: Uint32Array;
  readonly resourceLength: Uint32Array;
  readonly scopeOffset: Uint32Array;
  readonly scopeLength: Uint32Array;
  readonly service: Uint32Array;
  /** Number of the record among all ever stored, and when it came (ms since the epoch). */
  readonly ordinal: Float64Array;
  readonly receivedAt: Float64Array;
  /** Row of the record's first item. */
  readonly firstRow: Uint32Array;
}
export type GroupTable = ChunkedTable<GroupColumns>;

export function groupTable(): GroupTable {
  return chunkedTable((size) => ({
    segment: new Uint32Array(size),
    resourceOffset: new Uint32Array(size),
    resourceLength: new Uint32Array(size),
    scopeOffset: new Uint32Array(size),
    scopeLength: new Uint32Array(size),
    service: new Uint32Array(size),
    ordinal: new Float64Array(size),
    receivedAt: new Float64Array(size),
    firstRow: new Uint32Array(size),
  }));
}

/** Adds the groups of one record; the first one's row is returned, the others follow. */
export function addGroups(
  table: GroupTable,
  groups: ScanGroups,
  place: RecordPlace,
  firstRow: number,
  service: (group: number) => number,
): number {
  const first = table.last() + 1;
  for (let group = 0; group < groups.count; group++) {
    const row = table.push();
    const columns = table.columnsOf(row);
    const at = row & rowMask;
    columns.segment[at] = place.segment;
    columns.resourceOffset[at] = place.offset + (groups.resourceOffset[group] as number);
    columns.resourceLength[at] = groups.resourceLength[group] as number;
    columns.scopeOffset[at] = place.offset + (groups.scopeOffset[group] as number);
    columns.scopeLength[at] = groups.scopeLength[group] as number;
    columns.service[at] = service(group);
    columns.ordinal[at] = place.ordinal;
    columns.receivedAt[at] = place.receivedAt;
    columns.firstRow[at] = firstRow;
  }
  return first;
}

/** Items of one record are numbered within it; together with the record's number that is unique. */
const itemsPerRecord = 1 << 14;
/** Ascending in order of arrival, the same after a restart. */
export const sequence = (ordinal: number, item: number): number => ordinal * itemsPerRecord + item;
