import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TraceSpan } from "../trace/trace.ts";
import { DetailsReader } from "./span-details.svelte.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const span = (id: string): TraceSpan => ({
  ...{ id, parentId: null, name: "work", service: "shop", hue: "shop", kind: "internal" },
  ...{ startMs: 0, endMs: 1, failed: false, hasEvents: false, farOff: false, details: null },
});

/** Paths asked for, and how many of the next answers are refusals. */
const world = { asked: [] as string[], refusals: 0 };
let close: () => void;

beforeEach(async () => {
  Object.assign(world, { asked: [], refusals: 0 });
  const server = createServer((request, response) => {
    world.asked.push(request.url ?? "");
    if (world.refusals-- > 0) {
      response.statusCode = 503;
      return response.end();
    }
    const ids = (request.url ?? "").split("/").at(-1)?.split(",") ?? [];
    const spans = ids.map((spanId) => ({
      ...{ traceId, spanId, name: "work", startTimeUnixNano: "1", endTimeUnixNano: "2" },
      attributes: [{ key: "own", value: { stringValue: spanId } }],
    }));
    const resource = { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] };
    return response.end(
      JSON.stringify({
        resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "lib" }, spans }] }],
      }),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const own = globalThis.fetch;
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubGlobal("fetch", (path: string, init?: RequestInit) => own(`${origin}${path}`, init));
  close = () => {
    vi.unstubAllGlobals();
    server.closeAllConnections();
    server.close();
  };
});
afterEach(() => close());

test("details of spans that are looked at together come by one request, once", async () => {
  const reader = new DetailsReader(traceId);
  const ids = Array.from({ length: 120 }, (_, n) => n.toString(16).padStart(16, "0"));
  for (const id of ids) expect(reader.of(span(id))).toBeNull();
  await expect.poll(() => reader.of(span(ids[119] as string))).not.toBeNull();
  expect(reader.of(span(ids[0] as string))).toMatchObject({
    raw: { attributes: [{ key: "own" }] },
    resource: [{ key: "service.name" }],
    scope: "lib",
  });
  expect(world.asked).toHaveLength(2);
});

test("a span that has its details is not asked about, and a failure is not the end", async () => {
  const reader = new DetailsReader(traceId);
  const raw = { traceId, spanId: "a", name: "", startTimeUnixNano: "1", endTimeUnixNano: "1" };
  const details = { raw, resource: [], scope: "" };
  expect(reader.of({ ...span("a"), details })).toBe(details);
  world.refusals = 1;
  await expect.poll(() => reader.of(span("00000000000000bb"))).not.toBeNull();
  expect(world.asked).toHaveLength(2);
});
