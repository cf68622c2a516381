import { expect, test } from "vitest";
import { describeExpectation } from "./describe.ts";
import type { Expectation } from "./expectation.ts";

const reason = { why: "w", hint: "h" };
const cases: readonly (readonly [string, Expectation])[] = [
  [
    'exactly ${params.n} spans "SELECT orders" of kind client under "scenario db.n-plus-one"',
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        childOf: { name: "scenario db.n-plus-one" },
      },
      count: "${params.n}",
      ...reason,
    },
  ],
  [
    'exactly 1 span "a" with an exception',
    {
      signal: "span",
      select: { name: "a", exception: { message: { exists: true } } },
      count: 1,
      ...reason,
    },
  ],
  ["at least 1 span with status error", { signal: "span", select: { status: "error" }, ...reason }],
  ['no span "COMMIT"', { signal: "span", select: { name: "COMMIT" }, count: 0, ...reason }],
  [
    "at least 2 spans with lab.retry.attempt = 2, each with status unset, with 1 distinct db.query.text",
    {
      signal: "span",
      select: { attributes: { "lab.retry.attempt": 2 } },
      count: { gte: 2 },
      every: { status: "unset" },
      distinct: { attribute: "db.query.text", count: 1 },
      ...reason,
    },
  ],
  [
    'span "a" ends before span "b"',
    { signal: "order", first: { name: "a" }, relation: "before", second: { name: "b" }, ...reason },
  ],
  [
    "exactly 1 root span, no orphan span, spans of lab-web, lab-server",
    { signal: "trace", roots: 1, orphans: 0, services: ["lab-web", "lab-server"], ...reason },
  ],
  [
    "metric x_count {http_route = /api/orders}, changes by ${params.n}+1, has an exemplar of the run's trace",
    {
      signal: "metric",
      name: "x_count",
      labels: { http_route: "/api/orders" },
      delta: "${params.n}+1",
      exemplar: true,
      ...reason,
    },
  ],
  [
    'at least 1 WARN log line "slow query" of "lab-server", tied to a span of the run\'s trace',
    {
      signal: "log",
      severity: "warn",
      body: "slow query",
      service: "lab-server",
      correlated: true,
      ...reason,
    },
  ],
  [
    'exactly 1 fatal Sentry event, exception "Error", mechanism generic, unhandled, in the run\'s trace',
    {
      signal: "sentry",
      item: "event",
      level: "fatal",
      count: 1,
      mechanism: "generic",
      handled: false,
      exception: { type: "Error" },
      sameTrace: true,
      ...reason,
    },
  ],
  ["the connection breaks before an answer comes", { signal: "answer", status: 0, ...reason }],
  [
    "the request is answered with status 500, it takes at least 20 and less than 90 ms",
    { signal: "answer", status: 500, durationMs: { gte: 20, lt: 90 }, ...reason },
  ],
  [
    "the page reports fallback = true",
    { signal: "page", observation: "fallback", value: true, ...reason },
  ],
  [
    "server exits with code 70, server restarts once",
    { signal: "component", component: "server", exitCode: 70, restarts: 1, ...reason },
  ],
];

test.each(cases)("reads: %s", (line, expectation) => {
  expect(describeExpectation(expectation)).toBe(line);
});
