import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Counter, type OpenMetricsContentType, Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { changeOf, familyOf, type MetricReading, readMetrics, totalOf } from "./metrics.ts";
import { parseExposition } from "./openmetrics.ts";

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

const reading = (...lines: readonly string[]): MetricReading => ({
  readAt: 0,
  ...parseExposition(`${lines.join("\n")}\n# EOF`, "openmetrics"),
});

test("asks for OpenMetrics and reads what prom-client exposes, exemplar included", async () => {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const counter = new Counter<string>({
    name: "requests_total",
    help: "Requests.",
    labelNames: ["code"],
    registers: [registry],
    enableExemplars: true,
  });
  counter.inc({ labels: { code: "200" }, value: 2, exemplarLabels: { trace_id: "4bf9" } });
  let accepted: string | undefined;
  const url = await serving(async (request, response) => {
    accepted = request.headers.accept;
    response.setHeader("content-type", registry.contentType);
    response.end(await registry.metrics());
  });
  const found = await readMetrics(url, { now: () => 1234 });
  expect(accepted).toMatch(/^application\/openmetrics-text/);
  expect(found.readAt).toBe(1234);
  expect(totalOf(found, "requests_total")).toBe(2);
  expect(found.samples[0]?.exemplar?.labels).toEqual({ trace_id: "4bf9" });
  expect(familyOf(found, "requests_total")).toEqual({ name: "requests", type: "counter" });
});

test("a connection that turns out dead is no missing answer: the next one is asked", async () => {
  let asked = 0;
  const url = await serving((_, response) => {
    asked += 1;
    if (asked === 1) response.destroy();
    else response.end("a 1\n");
  });
  expect(totalOf(await readMetrics(url), "a")).toBe(1);
  expect(asked).toBe(2);
});

test.each<[string, RequestListener]>([
  ["metrics-unreachable", (_, response) => response.writeHead(503).end("later")],
  ["metrics-unreachable", (_, response) => response.destroy()],
  ["metrics-unreachable", () => undefined],
  ["metrics-too-large", (_, response) => response.end(`# ${"x".repeat(2000)}\n`)],
  ["metrics-malformed", (_, response) => response.end("a{ 1\n")],
  [
    "metrics-malformed",
    (_, response) =>
      response.writeHead(200, { "content-type": "application/openmetrics-text" }).end("a 1\n"),
  ],
])("%s is told as such", async (code, listener) => {
  const url = await serving(listener);
  await expect(readMetrics(url, { timeoutMs: 200, maxBytes: 1000 })).rejects.toMatchObject({
    code,
  });
});

test("an address where nobody listens is unreachable", async () => {
  await expect(readMetrics("http://127.0.0.1:1/metrics")).rejects.toMatchObject({
    code: "metrics-unreachable",
  });
});

const process = (started: number) => `process_start_time_seconds ${started}`;
const types = ["# TYPE a counter", "# TYPE g gauge", "# TYPE h histogram"];

test("a change is summed over the series that match", () => {
  const before = reading(...types, 'a_total{k="x"} 1', 'a_total{k="y"} 10');
  const after = reading(...types, 'a_total{k="x"} 4', 'a_total{k="y"} 11', 'a_total{k="z"} 5');
  expect(changeOf([before, after], "a_total")).toBe(9);
  expect(changeOf([before, after], "a_total", ({ k }) => k === "x")).toBe(3);
  expect(changeOf([before, after], "a_total", ({ k }) => k === "none")).toBe(0);
});

test("after a restart a counter counts from 0, a gauge does not care", () => {
  const before = reading(...types, process(1), "a_total 10", "g 5", "h_count 3");
  const between = reading(...types, process(1), "a_total 12", "g 9", "h_count 4");
  const after = reading(...types, process(2), "a_total 11", "g 2", "h_count 1");
  expect(changeOf([before, after], "a_total")).toBe(11);
  expect(changeOf([before, between, after], "a_total")).toBe(13);
  expect(changeOf([before, between, after], "h_count")).toBe(2);
  expect(changeOf([before, between, after], "g")).toBe(-3);
});

test("a counter that fell was reset, even when the process tells no start time", () => {
  expect(
    changeOf([reading(...types, "a_total 10"), reading(...types, "a_total 4")], "a_total"),
  ).toBe(4);
});

test("without a type, the name's ending tells a counter from a gauge", () => {
  expect(changeOf([reading("x_total 10"), reading("x_total 4")], "x_total")).toBe(4);
  expect(changeOf([reading("x 10"), reading("x 4")], "x")).toBe(-6);
});

test("a metric that is declared has a family before its first sample", () => {
  expect(familyOf(reading(...types), "a_total")).toEqual({ name: "a", type: "counter" });
  expect(familyOf(reading(...types), "h_bucket")?.name).toBe("h");
  expect(familyOf(reading(...types), "b_total")).toBeUndefined();
});
