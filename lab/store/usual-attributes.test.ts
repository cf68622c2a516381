import fc from "fast-check";
import { expect, test } from "vitest";
import { anyHash, attributeHash } from "./attribute-hash.ts";
import { viewOf } from "./byte-words.ts";
import { encodeMessage } from "./otlp-encode.ts";
import { keyValue } from "./otlp-schema.ts";
import { MalformedProtobuf } from "./protobuf-reader.ts";
import { scanSpans } from "./span-scan.ts";
import { spanStage } from "./span-stage.ts";
import { span, text, tracesProtobuf } from "./testing/payload.ts";

const stage = spanStage();

/** A length-delimited field. */
const field = (tag: number, content: Uint8Array): Buffer =>
  content.length < 128
    ? Buffer.concat([Buffer.from([tag, content.length]), content])
    : Buffer.concat([
        Buffer.from([tag, (content.length & 0x7f) | 0x80, content.length >>> 7]),
        content,
      ]);

/** A request with one span that has these KeyValues, whatever is in them. */
function requestWith(keyValues: readonly Uint8Array[]): Buffer {
  const ids = [field(0x0a, Buffer.alloc(16, 7)), field(0x12, Buffer.alloc(8, 7))];
  const bytes = Buffer.concat([...ids, ...keyValues.map((each) => field(0x4a, each))]);
  return field(0x0a, field(0x12, field(0x12, bytes)));
}

const value = fc.oneof(
  fc.record({ stringValue: fc.string({ maxLength: 140 }) }),
  fc.record({ intValue: fc.oneof(fc.nat(20_000), fc.integer()) }),
  fc.record({ doubleValue: fc.double({ noNaN: true }) }),
  fc.record({ boolValue: fc.boolean() }),
  fc.constant({ arrayValue: { values: [{ stringValue: "x" }] } }),
  fc.constant({}),
);
const anyKeyValue = fc
  .record({ key: fc.oneof(fc.constant("lab.run.id"), fc.string({ maxLength: 140 })), value })
  .map((json): Uint8Array => encodeMessage(json, keyValue));

/** Now and then, one byte is another. */
const altered = fc
  .tuple(
    anyKeyValue,
    fc.nat(),
    fc.nat(255),
    fc.constantFrom(true, ...Array<boolean>(15).fill(false)),
  )
  .map(([bytes, at, byte, isAltered]) => {
    if (isAltered && bytes.length > 0) bytes[at % bytes.length] = byte;
    return bytes;
  });

test("attributes read in one go have the hashes they have one by one", () => {
  let usual = 0;
  fc.assert(
    fc.property(fc.array(altered, { maxLength: 12 }), (keyValues) => {
      try {
        scanSpans(requestWith(keyValues), stage);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedProtobuf);
        return;
      }
      const expected = keyValues.map((each) => attributeHash(viewOf(each), 0, each.length));
      expect([...stage.hashes.subarray(0, stage.hashCount)]).toEqual(expected);
      usual += expected.filter((hash) => hash !== anyHash).length;
    }),
    { numRuns: 500 },
  );
  expect(usual).toBeGreaterThan(500);
});

test("a request of many small attributes finds room for all of their hashes", () => {
  const attributes = Array.from({ length: 30 }, (_, n) => text(`k${n % 10}`, ""));
  const spans = Array.from({ length: 5000 }, () => span({ attributes }));
  scanSpans(tracesProtobuf(spans), stage);
  expect(stage.count).toBe(5000);
  expect(stage.hashCount).toBe(150_000);
  expect(stage.hashes.subarray(0, 30)).toEqual(stage.hashes.subarray(150_000 - 30, 150_000));
});
