import type { OtlpSpan } from "#lab/api/otlp.ts";
import type { SentryItem } from "#lab/api/sentry.ts";
import { traceService } from "#scenarios/names.ts";
import { rowMask } from "./chunked-table.ts";
import { sequence } from "./group-table.ts";
import type { StoredItem } from "./indexing.ts";
import { plainAttributes } from "./log-read.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { span as spanMessage } from "./otlp-schema.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";
import { spanRows } from "./trace-read.ts";

export interface SentryQuery {
  /** 32 lower-case hex digits. */
  readonly trace?: string | undefined;
  readonly run?: string | undefined;
  readonly kind?: SentryItem["kind"] | undefined;
  readonly limit: number;
}

type Read = (segment: number, offset: number, length: number) => Buffer;

/** The newest `limit` items that match, oldest first; derived transactions among them. */
export function findSentryItems(index: StoreIndex, query: SentryQuery): readonly SentryItem[] {
  const traces = wantedTraces(index, query);
  const read = storedBytes(index.log);
  const found: { readonly seq: number; readonly item: () => SentryItem }[] = [];
  const wantsKind = (kind: SentryItem["kind"]): boolean =>
    query.kind === undefined || query.kind === kind;
  for (let at = index.items.length - 1; at >= 0 && found.length < query.limit; at--) {
    const item = index.items[at] as StoredItem;
    if (!wantsKind(item.kind) || (traces !== undefined && !traces.has(item.trace))) continue;
    found.push({ seq: item.seq, item: () => readItem(item, read) });
  }
  if (wantsKind("transaction")) {
    let derived = 0;
    for (const row of candidateRows(index, traces)) {
      if (derived >= query.limit) break;
      if (!isTransaction(index, row)) continue;
      derived++;
      found.push({ seq: spanSeq(index, row), item: () => derivedTransaction(index, row, read) });
    }
  }
  return found
    .sort((a, b) => a.seq - b.seq)
    .slice(-query.limit)
    .map(({ item }) => item());
}

/** Numbers of the traces asked for; undefined when all are. Trace 0 is never among them. */
function wantedTraces(index: StoreIndex, query: SentryQuery): ReadonlySet<number> | undefined {
  if (query.trace === undefined && query.run === undefined) return undefined;
  const ofRun = query.run === undefined ? undefined : index.runs.traces(index.runs.find(query.run));
  if (query.trace === undefined) return ofRun;
  const trace = index.traces.findHex(query.trace);
  const wanted = trace !== 0 && (ofRun === undefined || ofRun.has(trace));
  return new Set(wanted ? [trace] : []);
}

function* candidateRows(
  index: StoreIndex,
  traces: ReadonlySet<number> | undefined,
): Generator<number> {
  if (traces === undefined) {
    for (let row = index.spans.last(); row >= index.spans.first(); row--) yield row;
    return;
  }
  for (const trace of traces) yield* spanRows(index, trace).toReversed();
}

const serverKind = 2;

/**
 * Sentry makes one transaction per local root: each SERVER span, and each browser span without a
 * parent.
 */
function isTransaction(index: StoreIndex, row: number): boolean {
  const columns = index.spans.columnsOf(row);
  const at = row & rowMask;
  if (columns.kind[at] === serverKind) return true;
  const isRoot = columns.parentId[at * 2] === 0 && columns.parentId[at * 2 + 1] === 0;
  return isRoot && index.services.text(columns.service[at] as number) === traceService.web;
}

function spanSeq(index: StoreIndex, row: number): number {
  const group = index.spans.columnsOf(row).group[row & rowMask] as number;
  const groups = index.spanGroups.columnsOf(group);
  const at = group & rowMask;
  return sequence(groups.ordinal[at] as number, row - (groups.firstRow[at] as number));
}

function readItem(item: StoredItem, read: Read): SentryItem {
  const bytes = read(item.segment, item.offset, item.length);
  const payload: unknown = JSON.parse(bytes.toString("utf8"));
  const { seq, kind, receivedAt, traceId, spanId, level, title } = item;
  return {
    seq,
    kind,
    receivedAt,
    traceId,
    spanId,
    origin: "sdk",
    level,
    title,
    payload: item.index < 0 ? payload : (payload as { items: unknown[] }).items[item.index],
  };
}

/** The transaction as Sentry's ingest would have made it from the span. */
function derivedTransaction(index: StoreIndex, row: number, read: Read): SentryItem {
  const columns = index.spans.columnsOf(row);
  const at = row & rowMask;
  const group = columns.group[at] as number;
  const groups = index.spanGroups.columnsOf(group);
  const segment = groups.segment[group & rowMask] as number;
  const bytes = read(segment, columns.offset[at] as number, columns.length[at] as number);
  const span = decodeMessage(bytes, spanMessage) as unknown as OtlpSpan;
  const attributes = plainAttributes(span.attributes);
  const failed = columns.status[at] === 2;
  return {
    seq: spanSeq(index, row),
    kind: "transaction",
    receivedAt: groups.receivedAt[group & rowMask] as number,
    traceId: span.traceId,
    spanId: span.spanId,
    origin: "derived",
    level: failed ? "error" : null,
    title: span.name ?? "",
    payload: {
      type: "transaction",
      transaction: span.name ?? "",
      start_timestamp: seconds(span.startTimeUnixNano),
      timestamp: seconds(span.endTimeUnixNano),
      contexts: {
        trace: {
          trace_id: span.traceId,
          span_id: span.spanId,
          ...(span.parentSpanId ? { parent_span_id: span.parentSpanId } : {}),
          op: columns.kind[at] === serverKind ? "http.server" : "ui.action",
          status: failed ? "internal_error" : "ok",
          data: attributes,
        },
      },
      tags: { "service.name": index.services.text(columns.service[at] as number) ?? "" },
    },
  };
}

const seconds = (nanoseconds = "0"): number => Number(BigInt(nanoseconds) / 1000n) / 1e6;
