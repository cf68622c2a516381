import fc from "fast-check";
import { expect, test } from "vitest";
import { scanSpans } from "./span-scan.ts";
import { type SpanStage, spanStage } from "./span-stage.ts";

/** A length-delimited field of less than 128 bytes. */
const field = (tag: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([tag, content.length]), content]);
const time = (tag: number, byte: number): Buffer =>
  Buffer.concat([Buffer.from([tag]), Buffer.alloc(8, byte)]);
const utf8 = (text: string): Buffer => Buffer.from(text);
const attribute = (key: string, text: string): Buffer =>
  field(0x4a, Buffer.concat([field(0x0a, utf8(key)), field(0x12, field(0x0a, utf8(text)))]));

/** The fields of a span in order of their numbers, as encoders write them. */
const inOrder: readonly Buffer[] = [
  field(0x0a, Buffer.alloc(16, 1)),
  field(0x12, Buffer.alloc(8, 2)),
  field(0x1a, utf8("vendor=1")),
  field(0x22, Buffer.alloc(8, 3)),
  field(0x2a, utf8("GET /orders")),
  Buffer.from([0x30, 3]),
  time(0x39, 4),
  time(0x41, 5),
  attribute("a", "1"),
  attribute("lab.run.id", "run"),
  attribute("b", "2"),
  Buffer.from([0x50, 1]),
  Buffer.from([0x60, 2]),
  Buffer.from([0x70, 0x80, 1]),
  Buffer.from([0x7a, 2, 0x18, 2]),
  Buffer.from([0x85, 1, 1, 1, 0, 0]),
];

const stage = spanStage();
const requestOf = (fields: readonly Buffer[]): Buffer => {
  const span = Buffer.concat(fields);
  const wide = (tag: number, content: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from([tag, (content.length & 0x7f) | 0x80, content.length >>> 7]),
      content,
    ]);
  return wide(0x0a, wide(0x12, wide(0x12, span)));
};

/** What is known of the only span, wherever in it that lay; undefined when it was refused. */
function scanned(fields: readonly Buffer[]): unknown {
  const bytes = requestOf(fields);
  scanSpans(bytes, stage);
  if (stage.count === 0) return undefined;
  const words = ({ traceId, spanId, parentId, start, end }: SpanStage): unknown =>
    [
      traceId.subarray(0, 4),
      ...[spanId, parentId, start, end].map((each) => each.subarray(0, 2)),
    ].map((each) => [...each]);
  const text = (offset: Uint32Array, length: Uint32Array): string =>
    bytes.toString("utf8", offset[0] as number, (offset[0] as number) + (length[0] as number));
  return {
    words: words(stage),
    name: text(stage.nameOffset, stage.nameLength),
    run: stage.runLength[0] && text(stage.runOffset, stage.runLength),
    ...{ kind: stage.kind[0], status: stage.status[0], marks: stage.marks[0] },
    hashes: [...stage.hashes.subarray(0, stage.hashCount)].sort(),
    bytes: stage.length[0],
  };
}

/** Leaves every column of the stage's first row other than zero. */
const litter = (): void => scanSpans(requestOf(inOrder), stage);

test("a span is read alike in whatever order its fields come, and whichever it lacks", () => {
  let read = 0;
  fc.assert(
    fc.property(fc.shuffledSubarray([...inOrder.keys()], { minLength: 1 }), (shuffled) => {
      const sorted = shuffled.toSorted((a, b) => a - b);
      litter();
      const expected = scanned(sorted.map((n) => inOrder[n] as Buffer));
      litter();
      expect(scanned(shuffled.map((n) => inOrder[n] as Buffer))).toEqual(expected);
      expect(expected !== undefined).toBe(shuffled.includes(0) && shuffled.includes(1));
      if (expected !== undefined) read++;
    }),
    { numRuns: 500 },
  );
  expect(read).toBeGreaterThan(20);
});

test("what a span lacks is empty, though the row held another span before", () => {
  litter();
  expect(scanned(inOrder.slice(0, 2))).toMatchObject({
    words: [
      [0x01010101, 0x01010101, 0x01010101, 0x01010101],
      [0x02020202, 0x02020202],
      [0, 0],
      [0, 0],
      [0, 0],
    ],
    ...{ name: "", run: 0, kind: 0, status: 0, marks: 0, hashes: [] },
  });
});

test.each([
  ["a trace id of zeros", 0, field(0x0a, Buffer.alloc(16))],
  ["a span id of zeros", 1, field(0x12, Buffer.alloc(8))],
  ["a short trace id", 0, field(0x0a, Buffer.alloc(15, 1))],
  ["a long span id", 1, field(0x12, Buffer.alloc(9, 1))],
])("%s refuses the span", (_, at, wrong) => {
  expect(scanned(inOrder.with(at, wrong))).toBeUndefined();
});
