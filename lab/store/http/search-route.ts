import type { StoredSpan } from "../query-span.ts";
import type { Store, StoreIndex } from "../store.ts";
import { type FoundTrace, fieldKey, searchTraces, storedSpans } from "../trace-search.ts";
import { formatDuration } from "../traceql/duration-text.ts";
import { type FoundSpanset, fieldValues, type SpansetNote } from "../traceql/evaluate.ts";
import type { Value } from "../traceql/query-span.ts";
import { type FieldReference, intrinsicTypes, TraceqlError } from "../traceql/syntax.ts";
import { sendJson } from "./answer.ts";
import { positiveNumber, timeRange } from "./query-values.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";
import { isTraceql, traceqlOf } from "./tempo-search-query.ts";

const defaultLimit = 20;
const maxLimit = 1000;
const defaultSpansPerSpanset = 3;

/** Tempo's search (https://grafana.com/docs/tempo/latest/api_docs/#search). */
export const searchRoute = ({ index }: Store, path: RegExp): Route => ({
  method: "GET",
  path,
  handle: ({ response, query }) => {
    const spss = positiveNumber(query, "spss", defaultSpansPerSpanset, 100_000);
    const result = run(() =>
      searchTraces(index, {
        query: traceqlOf(query),
        limit: positiveNumber(query, "limit", defaultLimit, maxLimit),
        ...timeRange(query),
      }),
    );
    // As in Tempo: who asks by the older parameters is told no spans.
    const tell = isTraceql(query)
      ? (found: FoundTrace) => ({
          ...foundTrace(index, found),
          ...foundSpans(index, found, spss),
        })
      : (found: FoundTrace) => foundTrace(index, found);
    sendJson(response, {
      traces: result.traces.map(tell),
      metrics: { inspectedTraces: result.inspected, completedJobs: 1, totalJobs: 1 },
    });
  },
});

function run<T>(search: () => T): T {
  try {
    return search();
  } catch (error) {
    if (!(error instanceof TraceqlError)) throw error;
    throw new Refusal(400, "bad_traceql", `invalid TraceQL query: ${error.message}`, {
      hint: "Change the query at that place; the lab's README lists what is understood.",
    });
  }
}

interface ServiceStats {
  readonly spanCount: number;
  /** Absent for none, as in protobuf's JSON. */
  readonly errorCount?: number;
}

/** Tempo's words; Grafana shows them. */
const rootMissing = "<root span not yet received>";

function foundTrace(index: StoreIndex, { trace }: FoundTrace): object {
  return {
    traceID: trace.traceId,
    rootServiceName: trace.root?.service ?? rootMissing,
    ...(trace.root === undefined ? {} : { rootTraceName: trace.root.name }),
    startTimeUnixNano: unixNano(index, trace.start),
    ...(trace.durationNs < 1e6 ? {} : { durationMs: Math.floor(trace.durationNs / 1e6) }),
  };
}

function foundSpans(index: StoreIndex, { trace, sets, fields }: FoundTrace, spss: number): object {
  const spanSets = sets.map((set) => foundSet(index, set, fields, spss));
  // A service may be named `__proto__`.
  const services: Record<string, ServiceStats> = Object.create(null);
  for (const { service, isError } of trace.spans) {
    const { spanCount, errorCount = 0 } = services[service] ?? { spanCount: 0 };
    const errors = errorCount + (isError ? 1 : 0);
    services[service] = {
      spanCount: spanCount + 1,
      ...(errors === 0 ? {} : { errorCount: errors }),
    };
  }
  return { spanSet: spanSets[0], spanSets, serviceStats: services };
}

function foundSet(
  index: StoreIndex,
  set: FoundSpanset,
  fields: readonly FieldReference[],
  spss: number,
): object {
  const spans = storedSpans(set);
  return {
    spans: spans.slice(0, spss).map((span) => foundSpan(index, span, fields)),
    matched: spans.length,
    ...(set.notes.length === 0
      ? {}
      : {
          attributes: set.notes.map((note) => ({ key: note.key, value: noteValue(note) })),
        }),
  };
}

function noteValue({ value, type }: SpansetNote): object {
  switch (type) {
    case "duration":
      return { stringValue: formatDuration(Number(value)) };
    case "float":
      return { doubleValue: value };
    case "as it is":
      return anyValue(value);
  }
}

/** Told by fields of their own, of the span or of its trace. */
const ownFields: ReadonlySet<string> = new Set([
  ...["name", "duration", "span:id", "trace:id", "traceDuration", "rootName", "rootServiceName"],
]);

function foundSpan(index: StoreIndex, span: StoredSpan, fields: readonly FieldReference[]): object {
  const asked = fields.filter((field) => !ownFields.has(fieldKey(field)));
  const attributes = asked.flatMap((field) => {
    const values = fieldValues(field, span);
    const [first] = values;
    if (first === undefined) return [];
    if (field.node === "intrinsic")
      return [{ key: field.name, value: intrinsicValue(field.name, first) }];
    const isFloat = span.isFloat(field.scope, field.name);
    const told = values.map((value) => anyValue(value, isFloat));
    // Events and links have a value each; on the span itself, several are an array.
    const isArray = told.length > 1 && field.scope !== "event" && field.scope !== "link";
    return [{ key: field.name, value: isArray ? { arrayValue: { values: told } } : told[0] }];
  });
  return {
    spanID: span.spanId,
    ...(fields.some((field) => fieldKey(field) === "name") ? { name: span.name } : {}),
    startTimeUnixNano: unixNano(index, span.start),
    durationNanos: String(span.durationNs),
    ...(attributes.length === 0 ? {} : { attributes }),
  };
}

const intrinsicValue = (name: keyof typeof intrinsicTypes, value: Value): object =>
  intrinsicTypes[name] === "duration"
    ? { stringValue: formatDuration(Number(value)) }
    : anyValue(value);

function anyValue(value: Value, isFloat = false): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isInteger(value) && !isFloat ? { intValue: String(value) } : { doubleValue: value };
}

function unixNano(index: StoreIndex, start: number): string {
  const { high, low } = index.base();
  return ((BigInt(high) << 32n) + BigInt(low) + BigInt(start)).toString();
}
