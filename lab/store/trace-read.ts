import { rowMask } from "./chunked-table.ts";
import { decodeMessage, type JsonDialect, type JsonObject } from "./otlp-decode.ts";
import { resource, scope, span } from "./otlp-schema.ts";
import { writeBytes, writeMessage, writer, written } from "./protobuf-writer.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";

/** Rows of a trace's spans in order of arrival; empty when there are none. */
export function spanRows(index: StoreIndex, trace: number): readonly number[] {
  const rows: number[] = [];
  let row = index.traces.entry().lastSpan[trace] ?? 0;
  while (row !== 0 && row >= index.spans.first()) {
    rows.push(row);
    row = index.spans.columnsOf(row).previous[row & rowMask] as number;
  }
  return rows.reverse();
}

/** Spans of a trace that one resource and one scope share, as their stored bytes. */
interface ScopedSpans {
  readonly resource: Buffer;
  readonly scopes: { readonly scope: Buffer; readonly spans: Buffer[] }[];
}

/** The trace's spans sorted under their resource and scope. Senders repeat both in every request. */
function scopedSpans(index: StoreIndex, rows: readonly number[]): readonly ScopedSpans[] {
  const read = storedBytes(index.log);
  const copy = (segment: number, offset: number, length: number): Buffer =>
    Buffer.from(read(segment, offset, length));
  const found: ScopedSpans[] = [];
  const byGroup = new Map<number, Buffer[]>();
  const spansOf = (group: number): Buffer[] => {
    const known = byGroup.get(group);
    if (known !== undefined) return known;
    const columns = index.spanGroups.columnsOf(group);
    const at = group & rowMask;
    const segment = columns.segment[at] as number;
    const resourceBytes = copy(
      segment,
      columns.resourceOffset[at] as number,
      columns.resourceLength[at] as number,
    );
    const scopeBytes = copy(
      segment,
      columns.scopeOffset[at] as number,
      columns.scopeLength[at] as number,
    );
    let under = found.find((each) => each.resource.equals(resourceBytes));
    if (under === undefined) {
      under = { resource: resourceBytes, scopes: [] };
      found.push(under);
    }
    let scoped = under.scopes.find((each) => each.scope.equals(scopeBytes));
    if (scoped === undefined) {
      scoped = { scope: scopeBytes, spans: [] };
      under.scopes.push(scoped);
    }
    byGroup.set(group, scoped.spans);
    return scoped.spans;
  };
  for (const row of rows) {
    const columns = index.spans.columnsOf(row);
    const at = row & rowMask;
    const group = columns.group[at] as number;
    const segment = index.spanGroups.columnsOf(group).segment[group & rowMask] as number;
    spansOf(group).push(copy(segment, columns.offset[at] as number, columns.length[at] as number));
  }
  return found;
}

/**
 * `resourceSpans` of a trace (or of some of its rows) in one of the JSON dialects; undefined when
 * there are no spans.
 */
export function traceJson(
  index: StoreIndex,
  trace: number,
  dialect: JsonDialect,
  rows: readonly number[] = spanRows(index, trace),
): readonly JsonObject[] | undefined {
  if (rows.length === 0) return undefined;
  return scopedSpans(index, rows).map((under) => ({
    resource: decodeMessage(under.resource, resource, dialect),
    scopeSpans: under.scopes.map((scoped) => ({
      scope: decodeMessage(scoped.scope, scope, dialect),
      spans: scoped.spans.map((bytes) => ({
        ...requiredFields,
        ...decodeMessage(bytes, span, dialect),
      })),
    })),
  }));
}

/** Present even when the sender left them out because they are protobuf's defaults. */
const requiredFields = { name: "", startTimeUnixNano: "0", endTimeUnixNano: "0" };

/**
 * The trace as protobuf (`TracesData`, the same as Tempo's `Trace`): the stored bytes spliced
 * together, nothing decoded.
 */
export function traceProtobuf(index: StoreIndex, trace: number): Buffer | undefined {
  const rows = spanRows(index, trace);
  if (rows.length === 0) return undefined;
  const w = writer(64 * 1024);
  for (const under of scopedSpans(index, rows))
    writeMessage(w, 1, () => {
      writeBytes(w, 1, under.resource);
      for (const scoped of under.scopes)
        writeMessage(w, 2, () => {
          writeBytes(w, 1, scoped.scope);
          for (const bytes of scoped.spans) writeBytes(w, 2, bytes);
        });
    });
  return written(w);
}
