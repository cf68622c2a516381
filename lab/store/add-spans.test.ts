import { expect, test } from "vitest";
import { attributeHash } from "./attribute-hash.ts";
import { viewOf } from "./byte-words.ts";
import { rowMask, rowsPerChunk } from "./chunked-table.ts";
import { openIndex } from "./indexing.ts";
import { encodeMessage } from "./otlp-encode.ts";
import { keyValue, tracesRequest } from "./otlp-schema.ts";
import { recordHeaderBytes } from "./segment-format.ts";
import { scanSpans } from "./span-scan.ts";
import { spanStage } from "./span-stage.ts";

const perRequest = 6000;
/** Hash of the last of so many attributes of a span. */
function lastHash(number: number, attributes: number): number {
  const value = { intValue: number + attributes - 1 };
  const bytes = encodeMessage({ key: "n", value }, keyValue);
  return attributeHash(viewOf(bytes), 0, bytes.length);
}
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** Each differs from its neighbours in every column. */
function span(number: number): object {
  return {
    traceId: hex(Math.floor(number / 10) + 1, 32),
    spanId: hex(number, 16),
    parentSpanId: hex(number * 3, 16),
    name: "x".repeat(number % 50),
    kind: number % 6,
    startTimeUnixNano: "1000000000",
    endTimeUnixNano: String(1_000_000_000 + number),
    status: { code: number % 3 },
    attributes: Array.from({ length: number % 4 }, (_, n) => ({
      key: "n",
      value: { intValue: number + n },
    })),
    events: number % 7 === 0 ? [{ name: "event" }] : [],
  };
}

test("every column of a span is its own, beside spans sent again and where a chunk ends", () => {
  const index = openIndex(1000);
  const stage = spanStage();
  const wanted: number[] = [];
  for (let request = 0; wanted.length < rowsPerChunk + perRequest; request++) {
    const first = request * perRequest + 1;
    const numbers: number[] = [];
    for (let number = first; number < first + perRequest; number++) {
      numbers.push(number);
      wanted.push(number);
      if (number % 5 === 0) numbers.push(number);
      if (number % 5 === 1 && request > 0) numbers.push(number - perRequest);
    }
    const spans = numbers.map(span);
    const bytes = encodeMessage({ resourceSpans: [{ scopeSpans: [{ spans }] }] }, tracesRequest);
    scanSpans(bytes, stage);
    index.enter(1);
    const offset = recordHeaderBytes;
    index.addSpans(bytes, stage, { segment: 1, offset, ordinal: request, receivedAt: 1000 });
  }
  const hashAt = (row: number): number =>
    index.spans.hashes.columnsOf(row).hash[row & rowMask] as number;
  const stored = wanted.map((number, n) => {
    const columns = index.spans.columnsOf(n + 1);
    const at = (n + 1) & rowMask;
    return [
      columns.spanId[at * 2 + 1],
      columns.parentId[at * 2 + 1],
      columns.duration[at],
      columns.kind[at],
      columns.status[at],
      columns.marks[at],
      index.names.text(columns.name[at] as number)?.length,
      (columns.lastHash[at] as number) - index.spans.firstHash(n + 1) + 1,
      number % 4 === 0 ? 0 : hashAt(columns.lastHash[at] as number),
    ];
  });
  expect(index.spans.last()).toBe(wanted.length);
  const right = wanted.map((number) => [
    ...[number, number * 3, number, number % 6, number % 3],
    ...[number % 7 === 0 ? 1 : 0, number % 50, number % 4],
    number % 4 === 0 ? 0 : lastHash(number, number % 4),
  ]);
  // The first that differs says enough; all of them would be pages.
  const wrong = right.findIndex((columns, n) => String(columns) !== String(stored[n]));
  expect(stored[wrong]).toEqual(right[wrong]);
});
