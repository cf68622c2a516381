import type { LogRecord } from "#lab/api/logs.ts";
import type { OtlpSpan } from "#lab/api/otlp.ts";
import { textOf } from "../../trace/attributes.ts";
import type { Window } from "../../trace/time-scale.ts";
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

/** Marks closer together than this share of the window would hide each other. */
const tellApart = 1 / 250;

/** One mark for those that lie at one place of the window: a bad one first, with the text of all. */
export function apart(marks: readonly Mark[], window: Window): readonly Mark[] {
  if (marks.length < 2) return marks;
  const stepMs = (window.toMs - window.fromMs) * tellApart;
  const places: { at: number; marks: Mark[] }[] = [];
  for (const mark of marks.toSorted((a, b) => a.atMs - b.atMs)) {
    const last = places.at(-1);
    if (last !== undefined && mark.atMs - last.at <= stepMs) last.marks.push(mark);
    else places.push({ at: mark.atMs, marks: [mark] });
  }
  return places.map((place) => {
    const [first, ...others] = place.marks.toSorted((a, b) => Number(b.bad) - Number(a.bad));
    const told = [first as Mark, ...others].slice(0, toldTogether).map(({ text }) => text);
    const untold = place.marks.length - told.length;
    return {
      ...(first as Mark),
      text: [...told, ...(untold === 0 ? [] : [`and ${untold} more`])].join("\n"),
    };
  });
}

const toldTogether = 5;
