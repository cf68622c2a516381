import type { OtlpKeyValue, OtlpSpan, OtlpTrace } from "#lab/api/otlp.ts";
import { encodeMessage } from "../otlp-encode.ts";
import { logsRequest, tracesRequest } from "../otlp-schema.ts";

let last = 0;
const next = (digits: number): string => (++last).toString(16).padStart(digits, "0");
export const newTraceId = (): string => `aa${next(30)}`;
export const newSpanId = (): string => `bb${next(14)}`;

export const text = (key: string, value: string): OtlpKeyValue => ({
  key,
  value: { stringValue: value },
});

/** A span with fresh ids unless told otherwise. */
export const span = (fields: Partial<OtlpSpan> = {}): OtlpSpan => ({
  traceId: newTraceId(),
  spanId: newSpanId(),
  name: "work",
  startTimeUnixNano: "1795357945758000001",
  endTimeUnixNano: "1795357945758896829",
  ...fields,
});

export const traces = (spans: readonly OtlpSpan[], service = "lab-server"): OtlpTrace => ({
  resourceSpans: [
    {
      resource: { attributes: [text("service.name", service)] },
      scopeSpans: [{ scope: { name: "test" }, spans }],
    },
  ],
});
export const tracesProtobuf = (spans: readonly OtlpSpan[], service?: string): Buffer =>
  encodeMessage(traces(spans, service), tracesRequest);

export const logs = (records: readonly object[], service = "lab-server"): object => ({
  resourceLogs: [
    {
      resource: { attributes: [text("service.name", service)] },
      scopeLogs: [{ scope: { name: "test" }, logRecords: records }],
    },
  ],
});
export const logsProtobuf = (records: readonly object[], service?: string): Buffer =>
  encodeMessage(logs(records, service), logsRequest);

/** A Sentry envelope of these items. */
export function envelope(
  items: readonly { readonly type: string; readonly payload: object }[],
): string {
  const lines = items.flatMap(({ type, payload }) => [
    JSON.stringify({ type }),
    JSON.stringify(payload),
  ]);
  return [JSON.stringify({ event_id: "e".repeat(32) }), ...lines, ""].join("\n");
}
