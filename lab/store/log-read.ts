import type { LogRecord } from "#lab/api/logs.ts";
import type { OtlpAnyValue, OtlpKeyValue } from "#lab/api/otlp.ts";
import { rowMask } from "./chunked-table.ts";
import { sequence } from "./group-table.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { logRecord } from "./otlp-schema.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";

export interface LogQuery {
  /** 32 lower-case hex digits. */
  readonly trace?: string | undefined;
  readonly run?: string | undefined;
  readonly service?: string | undefined;
  /** This severity or worse. */
  readonly severity?: LogRecord["severity"] | undefined;
  /** Found in the body, in any case. */
  readonly text?: string | undefined;
  readonly limit: number;
}

export const severities = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

/** The newest `limit` records that match, oldest first. */
export function findLogs(index: StoreIndex, query: LogQuery): readonly LogRecord[] {
  const read = storedBytes(index.log);
  const found: LogRecord[] = [];
  const text = query.text?.toLowerCase();
  for (const row of candidates(index, query)) {
    if (found.length >= query.limit) break;
    if (!matches(index, query, row)) continue;
    const record = readLog(index, row, read);
    if (text === undefined || record.body.toLowerCase().includes(text)) found.push(record);
  }
  return found.reverse();
}

/** Rows to look at, newest first. */
function* candidates(index: StoreIndex, { trace }: LogQuery): Generator<number> {
  const { logs, traces } = index;
  if (trace === undefined) {
    for (let row = logs.last(); row >= logs.first(); row--) yield row;
    return;
  }
  let row = traces.entry().lastLog[traces.findHex(trace)] ?? 0;
  while (row !== 0 && row >= logs.first()) {
    yield row;
    row = logs.columnsOf(row).previous[row & rowMask] as number;
  }
}

function matches(index: StoreIndex, query: LogQuery, row: number): boolean {
  const columns = index.logs.columnsOf(row);
  const at = row & rowMask;
  if (query.severity !== undefined) {
    const least = severities.indexOf(query.severity) * 4 + 1;
    if ((columns.severity[at] || 9) < least) return false;
  }
  if (query.service !== undefined && columns.service[at] !== index.services.find(query.service))
    return false;
  if (query.run !== undefined) {
    const run = index.runs.find(query.run);
    const inRun =
      columns.run[at] === run || index.runs.traces(run).has(columns.trace[at] as number);
    if (run === 0 || !inRun) return false;
  }
  return true;
}

interface LogJson {
  readonly severityText?: string;
  readonly body?: OtlpAnyValue;
  readonly attributes?: readonly OtlpKeyValue[];
}

function readLog(
  index: StoreIndex,
  row: number,
  read: (segment: number, offset: number, length: number) => Buffer,
): LogRecord {
  const columns = index.logs.columnsOf(row);
  const at = row & rowMask;
  const group = columns.group[at] as number;
  const groups = index.logGroups.columnsOf(group);
  const segment = groups.segment[group & rowMask] as number;
  const bytes = read(segment, columns.offset[at] as number, columns.length[at] as number);
  const json = decodeMessage(bytes, logRecord) as LogJson;
  const trace = columns.trace[at] as number;
  const high = columns.spanId[at * 2] as number;
  const low = columns.spanId[at * 2 + 1] as number;
  return {
    seq: sequence(
      groups.ordinal[group & rowMask] as number,
      row - (groups.firstRow[group & rowMask] as number),
    ),
    timeUnixNano: (
      (BigInt(columns.time[at * 2 + 1] as number) << 32n) |
      BigInt(columns.time[at * 2] as number)
    ).toString(),
    severity: severityOf(columns.severity[at] as number, json.severityText),
    body: bodyText(json.body),
    service: index.services.text(columns.service[at] as number) ?? "",
    traceId: trace === 0 ? null : index.traces.hex(trace),
    spanId: (high | low) === 0 ? null : hex8(high) + hex8(low),
    attributes: plainAttributes(json.attributes),
    ...(columns.farOff[at] === 1 ? { farOff: true as const } : {}),
  };
}

const hex8 = (word: number): string => word.toString(16).padStart(8, "0");

/** Four severity numbers share a name; a record without a number may still have a text. */
function severityOf(number: number, text = ""): LogRecord["severity"] {
  if (number > 0) return severities[(number - 1) >> 2] ?? "fatal";
  return severities.find((name) => text.toLowerCase().startsWith(name)) ?? "info";
}

function bodyText(body: OtlpAnyValue | undefined): string {
  const value = plainValue(body);
  return typeof value === "string" ? value : value === null ? "" : JSON.stringify(value);
}

/** Attribute keys are the sender's: without a prototype, `__proto__` is a key like any other. */
export function plainAttributes(
  attributes: readonly OtlpKeyValue[] = [],
): Readonly<Record<string, unknown>> {
  const plain: Record<string, unknown> = Object.create(null);
  for (const { key = "", value } of attributes) plain[key] = plainValue(value);
  return plain;
}

/** An AnyValue as the JSON value it stands for; integers beyond 2^53 stay text. */
export function plainValue(value: OtlpAnyValue | undefined): unknown {
  if (value === undefined) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) {
    const number = Number(value.intValue);
    return Number.isSafeInteger(number) ? number : value.intValue;
  }
  if (value.doubleValue !== undefined) return value.doubleValue;
  if (value.bytesValue !== undefined) return value.bytesValue;
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainValue);
  if (value.kvlistValue !== undefined) return plainAttributes(value.kvlistValue.values);
  return null;
}
