import { expect, test } from "vitest";
import { shortTrace } from "./span-lookup.ts";
import { type SpanTable, spanTable } from "./span-table.ts";
import { type TraceTable, traceTable } from "./trace-table.ts";

const trace = 1;
const other = 2;

function open(): { readonly spans: SpanTable; readonly traces: TraceTable } {
  const traces = traceTable();
  traces.ensure(0, 0, 0, trace);
  traces.ensure(0, 0, 0, other);
  return { traces, spans: spanTable(traces.entry) };
}

/** As the index does it before a segment's rows go; all of them must be of `trace`. */
function forgetBelow({ spans, traces }: ReturnType<typeof open>, row: number): void {
  const entry = traces.entry();
  entry.spans[trace] = (entry.spans[trace] as number) - (row - spans.first());
  spans.forgetBelow(row);
}

test.each([1, shortTrace - 1, shortTrace, shortTrace + 1, shortTrace * 3])(
  "each of %i spans of a trace is claimed once, and found",
  (count) => {
    const { spans } = open();
    for (let low = 1; low <= count; low++) {
      expect(spans.claim(trace, Uint32Array.of(0, low), 0)).toBe(low);
      expect(spans.claim(trace, Uint32Array.of(0, low), 0)).toBe(0);
    }
    for (let low = 1; low <= count; low++) expect(spans.find(trace, 0, low)).toBe(low);
    expect(spans.find(trace, 1, 1)).toBe(0);
    expect(spans.find(other, 0, 1)).toBe(0);
    const sameIdElsewhere = spans.claim(other, Uint32Array.of(0, 1), 0);
    expect(spans.find(other, 0, 1)).toBe(sameIdElsewhere);
    expect(spans.find(trace, 0, 1)).toBe(1);
  },
);

test("a long trace that lost its oldest spans, got short and grew again, is found by the rest", () => {
  const opened = open();
  const { spans } = opened;
  const long = shortTrace * 2;
  for (let low = 1; low <= long; low++) spans.claim(trace, Uint32Array.of(0, low), 0);
  forgetBelow(opened, long - 4);
  expect(spans.find(trace, 0, long - 5)).toBe(0);
  expect(spans.find(trace, 0, long - 4)).toBe(long - 4);
  for (let low = long + 1; low <= long * 2; low++) {
    expect(spans.claim(trace, Uint32Array.of(0, low), 0)).toBe(low);
    for (const known of [long - 4, long, low])
      expect(spans.claim(trace, Uint32Array.of(0, known), 0)).toBe(0);
  }
  // What was forgotten may come again.
  expect(spans.claim(trace, Uint32Array.of(0, 3), 0)).toBe(long * 2 + 1);
});

test("a span is known after so many traces came that their table grew", () => {
  const { spans, traces } = open();
  const row = spans.claim(trace, Uint32Array.of(7, 7), 0);
  for (let n = 1; n < 3000; n++) traces.ensure(1, 1, 1, n);
  expect(spans.claim(trace, Uint32Array.of(7, 7), 0)).toBe(0);
  expect(spans.find(trace, 7, 7)).toBe(row);
});

test("short and long traces are found after saving and loading", () => {
  const { spans, traces } = open();
  for (let low = 1; low <= 5; low++) spans.claim(other, Uint32Array.of(0, low), 0);
  for (let low = 1; low <= shortTrace * 2; low++) spans.claim(trace, Uint32Array.of(0, low), 0);
  const arrays: ArrayBufferView[] = [];
  const put = (array: ArrayBufferView): void => {
    arrays.push(structuredClone(array));
  };
  const fill = (array: ArrayBufferView): void =>
    (array as Uint8Array).set(arrays.shift() as Uint8Array);
  const saved = { traces: traces.save(put), spans: spans.save(put) };
  const again = open();
  again.traces.load(saved.traces, fill);
  again.spans.load(saved.spans, fill);
  for (let low = 1; low <= 5; low++)
    expect(again.spans.claim(other, Uint32Array.of(0, low), 0)).toBe(0);
  for (let low = 1; low <= shortTrace * 2; low++)
    expect(again.spans.find(trace, 0, low)).toBe(5 + low);
  expect(again.spans.claim(trace, Uint32Array.of(0, 1), 0)).toBe(0);
});
