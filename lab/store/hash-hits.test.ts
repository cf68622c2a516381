import { expect, test } from "vitest";
import { rowMask, rowsPerChunk } from "./chunked-table.ts";
import { hashHits } from "./hash-hits.ts";
import { spanTable } from "./span-table.ts";
import { traceTable } from "./trace-table.ts";

/** Spans with 0 to 4 hashes each out of a few; some chunks of spans and of hashes. */
function filled(count: number): {
  readonly spans: ReturnType<typeof spanTable>;
  readonly expected: boolean[];
} {
  const traces = traceTable();
  traces.ensure(0, 0, 0, 1);
  traces.ensure(0, 0, 0, 2);
  const spans = spanTable(traces.entry);
  const expected = [false];
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
  for (let n = 1; n <= count; n++) {
    const row = spans.claim(1, Uint32Array.of(0, n), 0);
    // Hash 0 stands for every attribute, 7 and 8 are looked for.
    const hashes = Array.from({ length: random(5) }, () => [0, 7, 8][random(300)] ?? 9 + random(9));
    for (const hash of hashes) {
      const at = spans.hashes.push();
      spans.hashes.columnsOf(at).hash[at & rowMask] = hash;
    }
    spans.columnsOf(row).lastHash[row & rowMask] = spans.hashes.last();
    expected.push(hashes.some((hash) => hash === 0 || hash === 7 || hash === 8));
  }
  return { spans, expected };
}

test("hits are the spans that hold a wanted hash, across chunks and from newest to oldest", () => {
  const { spans, expected } = filled(rowsPerChunk * 3);
  const isHit = hashHits(spans, 7, 8);
  for (let row = spans.last(); row >= spans.first(); row--)
    if (isHit(row) !== expected[row]) expect.unreachable(`row ${row}`);
  expect(expected.filter((each) => each).length).toBeGreaterThan(500);
});

test("rows that were forgotten change nothing for those that stay", () => {
  const { spans, expected } = filled(rowsPerChunk * 2);
  spans.forgetBelow(rowsPerChunk + 1000);
  const isHit = hashHits(spans, 7, 8);
  for (let row = spans.first(); row <= spans.last(); row++)
    if (isHit(row) !== expected[row]) expect.unreachable(`row ${row}`);
});

test("a span is claimed once, however large the table has grown, and found by its ids", () => {
  const { spans } = filled(20_000);
  expect(spans.claim(1, Uint32Array.of(0, 77), 0)).toBe(0);
  expect(spans.find(1, 0, 19_999)).toBe(19_999);
  expect(spans.find(2, 0, 19_999)).toBe(0);
  const sameIdElsewhere = spans.claim(2, Uint32Array.of(0, 77), 0);
  expect(spans.find(2, 0, 77)).toBe(sameIdElsewhere);
  expect(spans.find(1, 0, 77)).toBe(77);
  spans.forgetBelow(78);
  expect(spans.find(1, 0, 77)).toBe(0);
  expect(spans.find(1, 0, 78)).toBe(78);
  expect(spans.claim(1, Uint32Array.of(0, 77), 0)).toBe(spans.last());
});
