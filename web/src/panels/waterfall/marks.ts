import type { LogRecord } from "#lab/api/logs.ts";
import type { OtlpSpan } from "#lab/api/otlp.ts";
import { textOf } from "../../trace/attributes.ts";
import { sinceMs } from "../../trace/trace.ts";

/** A dot on a bar: a log line or a span event. */
export interface Mark {
  readonly atMs: number;
  readonly kind: "log" | "event";
  readonly bad: boolean;
  readonly text: string;
}

/** Log lines as dots, by the id of their span. */
export function markLogs(
  logs: readonly LogRecord[],
  startUnixNano: bigint,
): ReadonlyMap<string, readonly Mark[]> {
  const bySpan = new Map<string, Mark[]>();
  for (const { spanId, timeUnixNano, severity, body } of logs) {
    if (spanId === null) continue;
    const marks = bySpan.get(spanId) ?? [];
    marks.push({
      atMs: sinceMs(startUnixNano, timeUnixNano),
      kind: "log",
      bad: severity === "error" || severity === "fatal",
      text: `${severity}: ${body.slice(0, 200)}`,
    });
    bySpan.set(spanId, marks);
  }
  return bySpan;
}

/** A span's own events as dots. */
export const markEvents = ({ events = [] }: OtlpSpan, startUnixNano: bigint): readonly Mark[] =>
  events.map((event) => ({
    atMs: sinceMs(startUnixNano, event.timeUnixNano),
    kind: "event",
    bad: event.name === "exception",
    text: `${event.name} ${textOf(event.attributes, "exception.message") ?? ""}`.trim(),
  }));
