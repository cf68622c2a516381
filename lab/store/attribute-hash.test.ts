import fc from "fast-check";
import { expect, test } from "vitest";
import { anyHash, attributeHash } from "./attribute-hash.ts";
import { viewOf } from "./byte-words.ts";
import { encodeMessage } from "./otlp-encode.ts";
import { keyValue } from "./otlp-schema.ts";

const hash = (bytes: Uint8Array): number => attributeHash(viewOf(bytes), 0, bytes.length);
const encoded = (key: string, value: object): Buffer => encodeMessage({ key, value }, keyValue);

test("every single value has a hash of its own kind and content", () => {
  const values = [
    { stringValue: "" },
    { stringValue: "1" },
    { stringValue: "x".repeat(300) },
    { boolValue: false },
    { boolValue: true },
    { intValue: "0" },
    { intValue: "1" },
    { intValue: "-1" },
    { intValue: "9007199254740993" },
    { doubleValue: 0 },
    { doubleValue: 1 },
  ];
  const hashes = ["a", "b"].flatMap((key) => values.map((value) => hash(encoded(key, value))));
  expect(hashes).not.toContain(anyHash);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test.each([
  ["an array", encoded("a", { arrayValue: { values: [{ stringValue: "x" }] } })],
  ["no value", encodeMessage({ key: "a" }, keyValue)],
  ["the value before the key", Buffer.from([0x12, 2, 0x18, 1, 0x0a, 1, 0x61])],
  ["a padded length", Buffer.from([0x0a, 0x81, 0, 0x61, 0x12, 2, 0x18, 1])],
  ["a padded integer", Buffer.from([0x0a, 1, 0x61, 0x12, 3, 0x18, 0x81, 0])],
  ["two values", Buffer.from([0x0a, 1, 0x61, 0x12, 4, 0x18, 1, 0x18, 2])],
  ["an unknown field behind", Buffer.from([0x0a, 1, 0x61, 0x12, 2, 0x18, 1, 0x18, 1])],
])("%s stands for every attribute", (_, bytes) => {
  expect(hash(bytes)).toBe(anyHash);
});

test("whatever the bytes, hashing stays inside and ends", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => hash(bytes) >= 0));
});
