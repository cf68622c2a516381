import { fileURLToPath } from "node:url";
import fc from "fast-check";
import protobufjs from "protobufjs";
import { expect, test } from "vitest";
import { decodeMessage } from "./otlp-decode.ts";
import { encodeMessage } from "./otlp-encode.ts";
import {
  type Field,
  logsRequest,
  type Message,
  metricsRequest,
  span as spanMessage,
  tracesRequest,
} from "./otlp-schema.ts";
import { MalformedProtobuf } from "./protobuf-reader.ts";
import { scanSpans } from "./span-scan.ts";
import { spanStage } from "./span-stage.ts";

/** The second opinion: a protobuf library and OTLP's own definitions. */
const oracle = protobufjs.loadSync(
  fileURLToPath(new URL("testdata/otlp.proto", import.meta.url)),
).root;
const options = { longs: String, enums: Number, bytes: Buffer, defaults: false, oneofs: false };

function oracleDecode(message: Message, bytes: Uint8Array): unknown {
  const type = oracle.lookupType(`otlp.${message.name}`);
  return type.toObject(type.decode(bytes), options);
}

/** Writes ids as hex and other bytes as base64, which only the schema can tell apart. */
function inOtlpJson(value: unknown, field: Field): unknown {
  if (Array.isArray(value)) return value.map((entry) => inOtlpJson(entry, field));
  if (typeof field.type === "function") return messageInJson(value, field.type());
  if (field.type === "id") return (value as Buffer).toString("hex");
  if (field.type === "bytes") return (value as Buffer).toString("base64");
  if (field.type === "double" && !Number.isFinite(value)) return String(value);
  return value;
}
function messageInJson(value: unknown, message: Message): unknown {
  const source = value as Record<string, unknown>;
  return Object.fromEntries(
    message.fields
      .filter(({ name }) => source[name] !== undefined)
      .map((field) => [field.name, inOtlpJson(source[field.name], field)]),
  );
}

/** Fields that tell "zero" from "not there"; all others do not, and the library leaves zeros out. */
const explicit = ["asDouble", "asInt", "sum", "min", "max"];
const tellsZero = (message: Message, field: string): boolean =>
  explicit.includes(field) && message.name !== "SummaryDataPoint";
function withoutZeros(value: unknown, message: Message): unknown {
  const source = value as Record<string, unknown>;
  const kept = message.fields.flatMap((field): [string, unknown][] => {
    const found = source[field.name];
    if (found === undefined) return [];
    if (typeof field.type === "function") {
      const inner = field.type();
      return [
        [
          field.name,
          Array.isArray(found)
            ? found.map((entry) => withoutZeros(entry, inner))
            : withoutZeros(found, inner),
        ],
      ];
    }
    const isZero = [0, "0", "", false].includes(found as number);
    if (isZero && !field.repeated && !message.oneof && !tellsZero(message, field.name)) return [];
    return [[field.name, found]];
  });
  return Object.fromEntries(kept);
}

/** Any message of the schema, as OTLP/JSON. */
function anyMessage(message: Message, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.fromEntries(
    message.fields
      .filter(({ type }) => typeof type !== "function" || depth > 0)
      .map((field) => [field.name, anyField(field, depth)]),
  );
  if (message.oneof || message.name === "Metric" || message.name.endsWith("DataPoint"))
    return anyOneof(message, fields);
  if (message.name === "Exemplar") return anyOneof(message, fields);
  return fc.record(fields, { requiredKeys: [] });
}
function anyOneof(
  message: Message,
  fields: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Record<string, unknown>> {
  const choices = message.oneof
    ? Object.keys(fields)
    : ["gauge", "sum", "histogram", "exponentialHistogram", "summary", "asDouble", "asInt"];
  const chosen = choices.filter((name) => name in fields);
  const rest = Object.fromEntries(
    Object.entries(fields).filter(([name]) => !chosen.includes(name)),
  );
  const base = fc.record(rest, { requiredKeys: [] });
  if (chosen.length === 0) return base;
  return fc
    .tuple(
      base,
      fc.oneof(
        ...chosen.map((name) => fc.record({ [name]: fields[name] as fc.Arbitrary<unknown> })),
      ),
    )
    .map(([a, b]) => ({ ...a, ...b }));
}
function anyField(field: Field, depth: number): fc.Arbitrary<unknown> {
  const one = anyScalar(field, depth);
  return field.repeated ? fc.array(one, { minLength: 1, maxLength: 3 }) : one;
}
function anyScalar({ type, name, names }: Field, depth: number): fc.Arbitrary<unknown> {
  if (typeof type === "function") return anyMessage(type(), depth - 1);
  switch (type) {
    case "string":
      return fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 20 }),
        fc.constantFrom("lab.run.id", "service.name", "__proto__", "constructor"),
      );
    case "bytes":
      return fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("base64"));
    case "id":
      return fc
        .constantFrom(...Array<number>(8).fill(name === "traceId" ? 16 : 8), 0, 7, 20)
        .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }))
        .map((bytes) => Buffer.from(bytes).toString("hex"));
    case "bool":
      return fc.boolean();
    case "enum":
      return fc.integer({ min: 0, max: (names?.length ?? 4) - 1 });
    case "uint32":
    case "fixed32":
      return fc.integer({ min: 0, max: 0xffff_ffff });
    case "sint32":
      return fc.integer();
    case "int64":
    case "sfixed64":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
    case "uint64":
    case "fixed64":
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
    case "double":
      return fc.double().map((value) => (Number.isFinite(value) ? value : String(value)));
  }
}

test.each([tracesRequest, logsRequest, metricsRequest])(
  "what is encoded from OTLP/JSON, a protobuf library reads the same: $name",
  (message) => {
    fc.assert(
      fc.property(anyMessage(message, 8), (json) => {
        const bytes = encodeMessage(json, message);
        const read = messageInJson(oracleDecode(message, bytes), message);
        expect(withoutZeros(read, message)).toEqual(withoutZeros(json, message));
      }),
      { numRuns: 80 },
    );
  },
);

test.each([tracesRequest, logsRequest, metricsRequest])(
  "what a protobuf library reads, the decoder reads the same: $name",
  (message) => {
    fc.assert(
      fc.property(anyMessage(message, 8), (json) => {
        expect(decodeMessage(encodeMessage(json, message), message)).toEqual(json);
      }),
      { numRuns: 80 },
    );
  },
);

const anyTraces = anyMessage(tracesRequest, 6).map((json) => encodeMessage(json, tracesRequest));

/** Flips, cuts and repeats bytes. */
const mutated = fc
  .tuple(
    anyTraces.filter((bytes) => bytes.length > 0),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom(1, 2, 4, 8, 0x10, 0x20, 0x80, 0xff)), {
      minLength: 1,
      maxLength: 2,
    }),
    fc.constantFrom("keep", "keep", "keep", "cut", "repeat"),
    fc.nat(),
  )
  .map(([bytes, flips, tail, at]) => {
    const copy = Buffer.from(bytes);
    for (const [position, bits] of flips) {
      const place = position % copy.length;
      copy[place] = (copy[place] as number) ^ bits;
    }
    if (tail === "cut") return copy.subarray(0, at % copy.length);
    if (tail === "repeat") return Buffer.concat([copy, copy.subarray(at % copy.length)]);
    return copy;
  });

const stage = spanStage();
const hex = (words: Uint32Array, at: number, count: number): string =>
  Array.from(words.subarray(at, at + count), (word) => word.toString(16).padStart(8, "0")).join("");
const nanoseconds = (words: Uint32Array, row: number): string =>
  ((BigInt(words[row * 2 + 1] as number) << 32n) | BigInt(words[row * 2] as number)).toString();

interface OracleSpan {
  readonly traceId?: Buffer;
  readonly spanId?: Buffer;
  readonly parentSpanId?: Buffer;
  readonly name?: string;
  readonly kind?: number;
  readonly startTimeUnixNano?: string;
  readonly endTimeUnixNano?: string;
  readonly status?: { readonly code?: number };
}
interface OracleTraces {
  readonly resourceSpans?: readonly {
    readonly scopeSpans?: readonly { readonly spans?: readonly OracleSpan[] }[];
  }[];
}
const valid = (id: Buffer | undefined, length: number): boolean =>
  id?.length === length && id.some((byte) => byte !== 0);
const known = (value = 0, most: number): number => (value >= 0 && value <= most ? value : 0);

/** Spans as the library sees them, brought into the scanner's terms. */
function oracleSpans(bytes: Uint8Array): unknown[] {
  const request = oracleDecode(tracesRequest, bytes) as OracleTraces;
  return (request.resourceSpans ?? [])
    .flatMap(({ scopeSpans = [] }) => scopeSpans.flatMap(({ spans = [] }) => spans))
    .filter(
      ({ traceId, spanId, parentSpanId }) =>
        valid(traceId, 16) && valid(spanId, 8) && [0, 8].includes(parentSpanId?.length ?? 0),
    )
    .map((span) => ({
      traceId: span.traceId?.toString("hex"),
      spanId: span.spanId?.toString("hex"),
      parentId:
        span.parentSpanId?.length === 8 ? span.parentSpanId.toString("hex") : "0".repeat(16),
      name: span.name ?? "",
      kind: known(span.kind, 5),
      start: span.startTimeUnixNano ?? "0",
      end: span.endTimeUnixNano ?? "0",
      status: known(span.status?.code, 2),
    }));
}
function scannedSpans(bytes: Buffer): unknown[] {
  scanSpans(bytes, stage);
  return Array.from({ length: stage.count }, (_, row) => ({
    traceId: hex(stage.traceId, row * 4, 4),
    spanId: hex(stage.spanId, row * 2, 2),
    parentId: hex(stage.parentId, row * 2, 2),
    name: bytes.toString(
      "utf8",
      stage.nameOffset[row],
      (stage.nameOffset[row] as number) + (stage.nameLength[row] as number),
    ),
    kind: stage.kind[row],
    start: nanoseconds(stage.start, row),
    end: nanoseconds(stage.end, row),
    status: stage.status[row],
  }));
}

test("the scanner sees the spans that a protobuf library sees, nanoseconds included", () => {
  fc.assert(
    fc.property(anyTraces, (bytes) => {
      expect(scannedSpans(bytes)).toEqual(oracleSpans(bytes));
    }),
    { numRuns: 150 },
  );
});

test("on mutated bytes the scanner refuses, or sees what a protobuf library sees", {
  timeout: 60_000,
}, () => {
  let accepted = 0;
  fc.assert(
    fc.property(mutated, (bytes) => {
      let scanned: unknown[];
      try {
        scanned = scannedSpans(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedProtobuf);
        return;
      }
      let expected: unknown[];
      try {
        expected = oracleSpans(bytes);
      } catch {
        return;
      }
      accepted++;
      expect(scanned).toEqual(expected);
    }),
    { numRuns: 400 },
  );
  // The test would be worth nothing if all were refused.
  expect(accepted).toBeGreaterThan(50);
});

test("whatever the scanner accepts can be decoded later", () => {
  fc.assert(
    fc.property(mutated, (bytes) => {
      try {
        scanSpans(bytes, stage);
      } catch {
        return;
      }
      const { groups } = stage;
      for (let row = 0; row < stage.count; row++) {
        const offset = stage.offset[row] as number;
        decodeMessage(bytes.subarray(offset, offset + (stage.length[row] as number)), spanMessage);
      }
      expect(groups.count).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 300 },
  );
});
