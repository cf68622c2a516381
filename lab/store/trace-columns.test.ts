import { expect, test } from "vitest";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import { openTestStore } from "./testing/open.ts";
import { newTraceId, span, text, tracesProtobuf } from "./testing/payload.ts";
import { columnsMagic, columnsType, type TraceColumnsHeader } from "./trace-columns.ts";

const takesColumns = { headers: { accept: columnsType } };

interface Read {
  readonly header: TraceColumnsHeader;
  readonly spans: readonly object[];
}

/** Reads the columns as their layout says. */
function readColumns(bytes: ArrayBuffer): Read {
  const buffer = Buffer.from(bytes);
  expect(buffer.toString("latin1", 0, 8)).toBe(columnsMagic);
  const jsonBytes = buffer.readUInt32LE(8);
  const count = buffer.readUInt32LE(12);
  const header = JSON.parse(buffer.toString("utf8", 16, 16 + jsonBytes)) as TraceColumnsHeader;
  let at = 16 + jsonBytes;
  const take = (width: number): number => {
    const start = at;
    at += width * count;
    return start;
  };
  const [id, parent, start, duration, name, source, flags] = [8, 4, 4, 4, 2, 1, 1].map(take) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  expect(at).toBe(buffer.length);
  const spans = Array.from({ length: count }, (_, n) => ({
    spanId: buffer.toString("hex", id + n * 8, id + n * 8 + 8),
    parent: buffer.readInt32LE(parent + n * 4),
    start: buffer.readUInt32LE(start + n * 4),
    duration: buffer.readUInt32LE(duration + n * 4),
    name: header.names[buffer.readUInt16LE(name + n * 2)],
    ...header.sources[buffer.readUInt8(source + n)],
    kind: buffer.readUInt8(flags + n) & 7,
    status: (buffer.readUInt8(flags + n) >> 3) & 3,
    hasEvents: (buffer.readUInt8(flags + n) & 32) !== 0,
  }));
  return { header, spans };
}

test("a trace comes as columns, in order of start, parents by place", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const root = span({
    traceId,
    name: "click",
    startTimeUnixNano: "1795357941000000000",
    endTimeUnixNano: "1795357949000000000",
  });
  const early = span({
    traceId,
    name: "GET",
    kind: 3,
    attributes: [text("db.system.name", "postgresql")],
    events: [{ name: "retry", timeUnixNano: "1795357942000000000" }],
    parentSpanId: root.spanId,
    startTimeUnixNano: "1795357942000000000",
    endTimeUnixNano: "1795357942000000050",
    status: { code: 2 },
  });
  const orphan = span({
    traceId,
    name: "GET",
    parentSpanId: "ff".repeat(8),
    startTimeUnixNano: "1795357943000000000",
    endTimeUnixNano: "1795357943000000000",
  });
  await store.post("/v1/traces", tracesProtobuf([orphan, early]));
  await store.post("/v1/traces", tracesProtobuf([root], "lab-web"));
  const answer = await fetch(`${store.url}/lab/traces/${traceId}`, takesColumns);
  expect(answer.headers.get("content-type")).toBe("application/x-lab-columns");
  const { header, spans } = readColumns(await answer.arrayBuffer());
  // Eight seconds of nanoseconds do not fit into 32 bits: tens of them do.
  expect(header).toMatchObject({ traceId, startTimeUnixNano: "1795357941000000000", tickNs: 10 });
  expect(spans).toEqual([
    {
      spanId: root.spanId,
      parent: -1,
      start: 0,
      duration: 800_000_000,
      name: "click",
      service: "lab-web",
      dataStore: null,
      kind: 0,
      status: 0,
      hasEvents: false,
    },
    {
      spanId: early.spanId,
      parent: 0,
      start: 100_000_000,
      duration: 5,
      name: "GET",
      service: "lab-server",
      dataStore: "postgresql",
      kind: 3,
      status: 2,
      hasEvents: true,
    },
    {
      spanId: orphan.spanId,
      parent: -2,
      start: 200_000_000,
      duration: 0,
      name: "GET",
      service: "lab-server",
      dataStore: null,
      kind: 0,
      status: 0,
      hasEvents: false,
    },
  ]);
  expect((await fetch(`${store.url}/lab/traces/${newTraceId()}`, takesColumns)).status).toBe(404);
});

test("100,000 spans are at most 2.5 MB, and the attributes of one come on demand", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const root = span({ traceId });
  for (let batch = 0; batch < 10; batch++) {
    const spans = Array.from({ length: 10_000 }, (_, n) =>
      span({
        traceId,
        parentSpanId: root.spanId,
        name: `work ${n % 50}`,
        attributes: [text("n", `${n}`)],
      }),
    );
    await store.post("/v1/traces", tracesProtobuf(batch === 0 ? [root, ...spans.slice(1)] : spans));
  }
  const bytes = await (
    await fetch(`${store.url}/lab/traces/${traceId}`, takesColumns)
  ).arrayBuffer();
  expect(bytes.byteLength).toBeLessThan(2.5e6);
  const { spans } = readColumns(bytes);
  expect(spans).toHaveLength(100_000);
  const { spanId } = spans[77_777] as { spanId: string };
  const one = await store.get<OtlpTrace>(`/lab/traces/${traceId}/spans/${spanId}`);
  expect(one).toMatchObject({
    resourceSpans: [
      {
        resource: { attributes: [text("service.name", "lab-server")] },
        scopeSpans: [{ spans: [{ spanId, attributes: [{ key: "n" }] }] }],
      },
    ],
  });
  expect((await fetch(`${store.url}/lab/traces/${traceId}/spans/${"0".repeat(15)}1`)).status).toBe(
    404,
  );
});
