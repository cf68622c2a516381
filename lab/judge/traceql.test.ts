import { expect, test } from "vitest";
import type { SpanSelector } from "#scenarios/span-selector.ts";
import { runQuery, spanQuery } from "./traceql.ts";

const inRun = '{ .lab.run.id = "r1" } && ';

test.each<[string, SpanSelector]>([
  ['{ name = "SELECT \\"x\\"" && kind = client }', { name: 'SELECT "x"', kind: "client" }],
  [
    '{ resource.service.name != "lab-web" && status = error }',
    { service: { ne: "lab-web" }, status: "error" },
  ],
  [
    "{ span.http.response.status_code >= 500 }",
    { attributes: { "http.response.status_code": { gte: 500 } } },
  ],
  ['{ span."odd key" = true }', { attributes: { "odd key": true } }],
  [
    "{ span.a != nil && span.b = nil }",
    { attributes: { a: { exists: true }, b: { exists: false } } },
  ],
  ['{ (span.a = "x" || span.a = 2) }', { attributes: { a: { in: ["x", 2] } } }],
  ['{ name =~ "(?s:.*)(?:^GET \\\\d)(?s:.*)" }', { name: { matches: "^GET \\d" } }],
  ["{ duration > 20ms && duration < 1.5ms }", { durationMs: { gt: 20, lt: 1.5 } }],
  ['{ event.exception.type = "E" }', { exception: { type: "E" } }],
  ['{ event:name = "exception" }', { exception: {} }],
  ["{ nestedSetParent < 0 }", { noParent: true }],
  ['({ name = "a" } > { name = "b" })', { name: "b", childOf: { name: "a" } }],
  [
    '(({ name = "a" } > { name = "b" }) >> { status = ok })',
    { status: "ok", descendantOf: { name: "b", childOf: { name: "a" } } },
  ],
  ["{ }", { linksTo: { name: "a" } }],
])("%s", (text, selector) => {
  expect(spanQuery("r1", selector)).toBe(inRun + text);
});

test("stays inside the run", () => {
  expect(runQuery("r1")).toBe('{ .lab.run.id = "r1" }');
  expect(spanQuery("r1", { name: "a" }, { name: "b" })).toBe(
    `${inRun}{ name = "a" } && { name = "b" }`,
  );
});
