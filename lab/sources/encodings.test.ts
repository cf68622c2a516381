import { fileURLToPath } from "node:url";
import fc from "fast-check";
import protobufjs from "protobufjs";
import { expect, test } from "vitest";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import { evidence, expectation } from "../judge/arbitraries.ts";
import type { Evidence } from "../judge/evidence.ts";
import { evidenceOf, ofRun, span, traceIdOf, traceOf } from "../judge/factories.ts";
import { judge } from "../judge/judge.ts";
import { decodeMessage } from "../store/otlp-decode.ts";
import { encodeMessage } from "../store/otlp-encode.ts";
import { tracesRequest } from "../store/otlp-schema.ts";
import { openTestStore } from "../store/testing/open.ts";
import { openStoreSource } from "./store.ts";

/** As another program than the lab would send it: OTLP's own definitions and a protobuf library. */
const request = protobufjs
  .loadSync(fileURLToPath(new URL("../store/testdata/otlp.proto", import.meta.url)))
  .root.lookupType(`otlp.${tracesRequest.name}`);
const ids = new Set(["traceId", "spanId", "parentSpanId"]);
function asProtobuf(trace: OtlpTrace): Uint8Array {
  const withBytes = JSON.parse(JSON.stringify(trace), (key, value) =>
    ids.has(key) ? Buffer.from(value, "hex").toString("base64") : value,
  );
  return request.encode(request.fromObject(withBytes)).finish();
}

/** The traces as the store reads them back, having got them in one encoding or the other. */
const readBack = (given: Evidence, encode: (trace: OtlpTrace) => Uint8Array): Evidence => ({
  ...given,
  traces: given.traces.map(
    (trace) => decodeMessage(encode(trace), tracesRequest) as unknown as OtlpTrace,
  ),
});

test("JSON and protobuf evidence get the same verdicts as what was sent", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(expectation, evidence, (expected, given) => {
      const verdictOf = (one: Evidence) => judge([expected], one)[0];
      const fromJson = verdictOf(readBack(given, (trace) => encodeMessage(trace, tracesRequest)));
      const fromProtobuf = verdictOf(readBack(given, asProtobuf));
      expect(fromProtobuf).toEqual(fromJson);
      expect(fromJson?.verdict).toBe(verdictOf(given)?.verdict);
      if (fromJson) seen.set(fromJson.verdict, (seen.get(fromJson.verdict) ?? 0) + 1);
    }),
    { numRuns: 300 },
  );
  // Both verdicts came up often, or the property would say nothing.
  expect(seen.get("pass")).toBeGreaterThan(15);
  expect(seen.get("fail")).toBeGreaterThan(15);
});

test("a store that got JSON and one that got protobuf are judged alike", async () => {
  const sent = traceOf([
    span({ id: "root", service: "lab-cli", name: "scenario.run", attributes: ofRun() }),
    span({
      ...{ id: "sql", parent: "root", name: "SELECT orders", kind: 3, status: 2, durationMs: 4 },
      attributes: { ...ofRun(), rows: 3, share: 0.5, cold: true, tags: ["a", "b"] },
      exception: { type: "PostgresError", message: "no" },
      links: [{ id: "root" }],
    }),
  ]);
  const verdictsOf = async (body: string | Uint8Array, type: string) => {
    const store = await openTestStore();
    const { status } = await store.post("/v1/traces", body, { "content-type": type });
    expect(status).toBe(200);
    const source = openStoreSource(() => store.url);
    const trace = await source.trace(traceIdOf(0));
    source.close();
    const why = { why: "It is sent.", hint: "Look at both." };
    return judge(
      [
        {
          signal: "span",
          select: {
            ...{ name: "SELECT orders", kind: "client", status: "error", durationMs: 4 },
            attributes: { rows: 3, share: 0.5, cold: true, tags: "b" },
            exception: { type: "PostgresError" },
            childOf: { service: "lab-cli" },
            linksTo: { name: "scenario.run" },
          },
          count: 1,
          ...why,
        },
        { signal: "trace", traces: 1, roots: 1, orphans: 0, ...why },
        { signal: "span", select: { attributes: { rows: "3" } }, count: 0, ...why },
      ],
      evidenceOf({ traces: trace ? [trace] : [] }),
    );
  };
  const json = await verdictsOf(JSON.stringify(sent), "application/json");
  expect(await verdictsOf(asProtobuf(sent), "application/x-protobuf")).toEqual(json);
  expect(json.map(({ verdict }) => verdict)).toEqual(["pass", "pass", "pass"]);
});
