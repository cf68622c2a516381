/**
 * The OTLP messages as data: field numbers, JSON names and types, after opentelemetry-proto 1.x
 * (https://github.com/open-telemetry/opentelemetry-proto). `otlp-json.ts` reads it both ways; the
 * scanners know their few fields by heart.
 */
export type FieldType =
  | "string"
  /** Base64 in JSON. */
  | "bytes"
  /** Trace or span id: hex in OTLP/JSON, base64 in Tempo's. */
  | "id"
  | "bool"
  | "enum"
  | "uint32"
  | "sint32"
  | "int64"
  | "uint64"
  | "fixed32"
  | "fixed64"
  | "sfixed64"
  | "double";

export interface Field {
  readonly no: number;
  readonly name: string;
  readonly type: FieldType | (() => Message);
  readonly repeated?: true;
  /** Names of the values, for JSON dialects that write names. */
  readonly names?: readonly string[];
}

export interface Message {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
  /** Setting one field clears the others. */
  readonly oneof: boolean;
}

function message(name: string, fields: readonly Field[], oneof = false): Message {
  return { name, fields, byNumber: new Map(fields.map((field) => [field.no, field])), oneof };
}
const one = (no: number, name: string, type: Field["type"]): Field => ({ no, name, type });
const many = (no: number, name: string, type: Field["type"]): Field => ({
  no,
  name,
  type,
  repeated: true,
});

export const anyValue: Message = message(
  "AnyValue",
  [
    one(1, "stringValue", "string"),
    one(2, "boolValue", "bool"),
    one(3, "intValue", "int64"),
    one(4, "doubleValue", "double"),
    one(5, "arrayValue", () => arrayValue),
    one(6, "kvlistValue", () => keyValueList),
    one(7, "bytesValue", "bytes"),
  ],
  true,
);
const arrayValue = message("ArrayValue", [many(1, "values", () => anyValue)]);
export const keyValue = message("KeyValue", [
  one(1, "key", "string"),
  one(2, "value", () => anyValue),
]);
const keyValueList = message("KeyValueList", [many(1, "values", () => keyValue)]);
const attributes = (no: number, name = "attributes"): Field => many(no, name, () => keyValue);

export const resource = message("Resource", [
  attributes(1),
  one(2, "droppedAttributesCount", "uint32"),
]);
export const scope = message("InstrumentationScope", [
  one(1, "name", "string"),
  one(2, "version", "string"),
  attributes(3),
  one(4, "droppedAttributesCount", "uint32"),
]);

const spanEvent = message("Span.Event", [
  one(1, "timeUnixNano", "fixed64"),
  one(2, "name", "string"),
  attributes(3),
  one(4, "droppedAttributesCount", "uint32"),
]);
const spanLink = message("Span.Link", [
  one(1, "traceId", "id"),
  one(2, "spanId", "id"),
  one(3, "traceState", "string"),
  attributes(4),
  one(5, "droppedAttributesCount", "uint32"),
  one(6, "flags", "fixed32"),
]);
const status = message("Status", [
  one(2, "message", "string"),
  {
    ...one(3, "code", "enum"),
    names: ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"],
  },
]);
export const span = message("Span", [
  one(1, "traceId", "id"),
  one(2, "spanId", "id"),
  one(3, "traceState", "string"),
  one(4, "parentSpanId", "id"),
  one(5, "name", "string"),
  {
    ...one(6, "kind", "enum"),
    names: [
      "SPAN_KIND_UNSPECIFIED",
      "SPAN_KIND_INTERNAL",
      "SPAN_KIND_SERVER",
      "SPAN_KIND_CLIENT",
      "SPAN_KIND_PRODUCER",
      "SPAN_KIND_CONSUMER",
    ],
  },
  one(7, "startTimeUnixNano", "fixed64"),
  one(8, "endTimeUnixNano", "fixed64"),
  attributes(9),
  one(10, "droppedAttributesCount", "uint32"),
  many(11, "events", () => spanEvent),
  one(12, "droppedEventsCount", "uint32"),
  many(13, "links", () => spanLink),
  one(14, "droppedLinksCount", "uint32"),
  one(15, "status", () => status),
  one(16, "flags", "fixed32"),
]);
const scopeSpans = message("ScopeSpans", [
  one(1, "scope", () => scope),
  many(2, "spans", () => span),
  one(3, "schemaUrl", "string"),
]);
const resourceSpans = message("ResourceSpans", [
  one(1, "resource", () => resource),
  many(2, "scopeSpans", () => scopeSpans),
  one(3, "schemaUrl", "string"),
]);
/** `ExportTraceServiceRequest`; `TracesData` and Tempo's `Trace` have the same shape. */
export const tracesRequest = message("ExportTraceServiceRequest", [
  many(1, "resourceSpans", () => resourceSpans),
]);

export const logRecord = message("LogRecord", [
  one(1, "timeUnixNano", "fixed64"),
  one(2, "severityNumber", "enum"),
  one(3, "severityText", "string"),
  one(5, "body", () => anyValue),
  attributes(6),
  one(7, "droppedAttributesCount", "uint32"),
  one(8, "flags", "fixed32"),
  one(9, "traceId", "id"),
  one(10, "spanId", "id"),
  one(11, "observedTimeUnixNano", "fixed64"),
  one(12, "eventName", "string"),
]);
const scopeLogs = message("ScopeLogs", [
  one(1, "scope", () => scope),
  many(2, "logRecords", () => logRecord),
  one(3, "schemaUrl", "string"),
]);
const resourceLogs = message("ResourceLogs", [
  one(1, "resource", () => resource),
  many(2, "scopeLogs", () => scopeLogs),
  one(3, "schemaUrl", "string"),
]);
export const logsRequest = message("ExportLogsServiceRequest", [
  many(1, "resourceLogs", () => resourceLogs),
]);

const exemplar = message("Exemplar", [
  one(2, "timeUnixNano", "fixed64"),
  one(3, "asDouble", "double"),
  one(4, "spanId", "id"),
  one(5, "traceId", "id"),
  one(6, "asInt", "sfixed64"),
  attributes(7, "filteredAttributes"),
]);
const numberDataPoint = message("NumberDataPoint", [
  one(2, "startTimeUnixNano", "fixed64"),
  one(3, "timeUnixNano", "fixed64"),
  one(4, "asDouble", "double"),
  many(5, "exemplars", () => exemplar),
  one(6, "asInt", "sfixed64"),
  attributes(7),
  one(8, "flags", "uint32"),
]);
const histogramDataPoint = message("HistogramDataPoint", [
  one(2, "startTimeUnixNano", "fixed64"),
  one(3, "timeUnixNano", "fixed64"),
  one(4, "count", "fixed64"),
  one(5, "sum", "double"),
  many(6, "bucketCounts", "fixed64"),
  many(7, "explicitBounds", "double"),
  many(8, "exemplars", () => exemplar),
  attributes(9),
  one(10, "flags", "uint32"),
  one(11, "min", "double"),
  one(12, "max", "double"),
]);
const buckets = message("Buckets", [one(1, "offset", "sint32"), many(2, "bucketCounts", "uint64")]);
const exponentialHistogramDataPoint = message("ExponentialHistogramDataPoint", [
  attributes(1),
  one(2, "startTimeUnixNano", "fixed64"),
  one(3, "timeUnixNano", "fixed64"),
  one(4, "count", "fixed64"),
  one(5, "sum", "double"),
  one(6, "scale", "sint32"),
  one(7, "zeroCount", "fixed64"),
  one(8, "positive", () => buckets),
  one(9, "negative", () => buckets),
  one(10, "flags", "uint32"),
  many(11, "exemplars", () => exemplar),
  one(12, "min", "double"),
  one(13, "max", "double"),
  one(14, "zeroThreshold", "double"),
]);
const valueAtQuantile = message("ValueAtQuantile", [
  one(1, "quantile", "double"),
  one(2, "value", "double"),
]);
const summaryDataPoint = message("SummaryDataPoint", [
  one(2, "startTimeUnixNano", "fixed64"),
  one(3, "timeUnixNano", "fixed64"),
  one(4, "count", "fixed64"),
  one(5, "sum", "double"),
  many(6, "quantileValues", () => valueAtQuantile),
  attributes(7),
  one(8, "flags", "uint32"),
]);
const gauge = message("Gauge", [many(1, "dataPoints", () => numberDataPoint)]);
const sum = message("Sum", [
  many(1, "dataPoints", () => numberDataPoint),
  one(2, "aggregationTemporality", "enum"),
  one(3, "isMonotonic", "bool"),
]);
const histogram = message("Histogram", [
  many(1, "dataPoints", () => histogramDataPoint),
  one(2, "aggregationTemporality", "enum"),
]);
const exponentialHistogram = message("ExponentialHistogram", [
  many(1, "dataPoints", () => exponentialHistogramDataPoint),
  one(2, "aggregationTemporality", "enum"),
]);
const summary = message("Summary", [many(1, "dataPoints", () => summaryDataPoint)]);
export const metric = message("Metric", [
  one(1, "name", "string"),
  one(2, "description", "string"),
  one(3, "unit", "string"),
  one(5, "gauge", () => gauge),
  one(7, "sum", () => sum),
  one(9, "histogram", () => histogram),
  one(10, "exponentialHistogram", () => exponentialHistogram),
  one(11, "summary", () => summary),
  attributes(12, "metadata"),
]);
const scopeMetrics = message("ScopeMetrics", [
  one(1, "scope", () => scope),
  many(2, "metrics", () => metric),
  one(3, "schemaUrl", "string"),
]);
const resourceMetrics = message("ResourceMetrics", [
  one(1, "resource", () => resource),
  many(2, "scopeMetrics", () => scopeMetrics),
  one(3, "schemaUrl", "string"),
]);
export const metricsRequest = message("ExportMetricsServiceRequest", [
  many(1, "resourceMetrics", () => resourceMetrics),
]);
