import { describe, expect, test } from "vitest";
import { routeOf } from "./routing.ts";

const runId = "0mwrxqxui000e5d2ysryfvixir";

describe("addresses of the page", () => {
  test.each([
    "/",
    "/scenarios",
    "/scenarios/db.n-plus-one",
    "/runs",
    `/runs/${runId}`,
    `/run/${runId}`,
    "/traces/4bf92f3577b34da6a3ce929d0e0e4736",
    "/compare/0mws577kw00087urj72vkqd1n1/0mws577by000kb5p0osbhx0y3x",
    "/services",
    "/services/",
  ])("%s is answered with the page", (path) => {
    expect(routeOf(path)).toEqual({ name: "document" });
  });

  test.each(["/index.html", "/assets/app.js", "/scenariosx", "/.env", "/admin", "/@fs/etc/passwd"])(
    "%s is a file, there or not",
    (path) => {
      expect(routeOf(path)).toEqual({ name: "file", path });
    },
  );
});

test.each([
  "/..",
  "/../etc/passwd",
  "/assets/../../secrets.json",
  "/assets/..",
  "/%2e%2e/secrets.json",
  "/%2E%2e/x",
  "/.%2e/x",
  "/./x",
  "/a%5c..%5cb",
  "/a\\b",
  "/a%2fb",
  "/a%00.js",
  "//evil.com/x",
  "/api/../lab/api/status",
  "/api/%2e%2e/healthz",
  "/api//x",
  "/lab",
  "/lab/",
  "/lab/secrets.json",
  "/lab/api/runs/../status",
  "/lab/api/runs/short",
  "/lab/api/traces/00000000000000000000000000000000",
  "/lab/api/traces/4BF92F3577B34DA6A3CE929D0E0E4736",
  "/lab/api/services/server/kill",
  "/lab/ingest/v1/profiles",
])("%s leads nowhere", (path) => {
  expect(routeOf(path)).toEqual({ name: "unknown" });
});

test("the control API's routes carry what their path says", () => {
  expect(routeOf(`/lab/api/runs/${runId}/evidence`)).toEqual({ name: "evidence", runId });
  expect(routeOf(`/lab/api/runs/${runId}/insights`)).toEqual({ name: "insights", runId });
  expect(routeOf(`/lab/api/runs/${runId}/metrics`)).toEqual({ name: "run-metrics", runId });
  expect(routeOf("/lab/api/tags/span.http.route")).toEqual({
    name: "tag-values",
    tag: "span.http.route",
  });
  expect(routeOf(`/lab/api/runs/${runId}/observations`)).toEqual({ name: "observations", runId });
  expect(routeOf("/lab/api/services/redis-exporter/stop")).toEqual({
    name: "service-action",
    id: "redis-exporter",
    action: "stop",
  });
  expect(routeOf("/lab/ingest/envelope")).toEqual({ name: "ingest", upstream: "/api/1/envelope/" });
  expect(routeOf("/api/scenarios/db.n-plus-one")).toEqual({ name: "app" });
  expect(routeOf("/auth/login")).toEqual({ name: "auth" });
  expect(routeOf("/auth/logout")).toEqual({ name: "sign-out" });
  expect(routeOf("/lab/api/account")).toEqual({ name: "account" });
  expect(routeOf("/lab/api/self-test")).toEqual({ name: "self-test" });
});
