import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { ServiceStatus } from "#lab/api/services.ts";
import { watchScrape } from "./scrape-watch.ts";

const rowOf = (id: ServiceStatus["id"]): ServiceStatus => ({
  ...{ id, title: id, role: "", state: "ready", kind: "real", version: "1" },
  ...{ url: null, port: null, pid: null, startedAt: 1, startMs: 1, restarts: 0, exitCode: null },
  ...{ progress: null, note: null },
});

/** A Prometheus that answers every query with this value of `up`; null: with an error. */
async function watched(patienceMs: number, first: string | null = "0") {
  let up = first;
  let asked = 0;
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? "/", "http://prometheus").searchParams.get("query");
    response.statusCode = up === null || query !== 'up{job="server"}' ? 503 : 200;
    response.end(JSON.stringify({ data: { result: up === "" ? [] : [{ value: [1, up] }] } }));
    asked++;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const rows = [rowOf("prometheus"), rowOf("server")];
  const told: (string | null)[] = [];
  const system = {
    services: () => rows,
    url: (id: string) => (id === "prometheus" ? url : "http://127.0.0.1:23456"),
  };
  const watch = watchScrape(system, ({ note }) => told.push(note ?? null), {
    everyMs: 5,
    patienceMs,
  });
  onTestFinished(watch.end);
  /** Until answers of now have been read. */
  const settled = async (): Promise<void> => {
    const before = asked;
    await expect.poll(() => asked).toBeGreaterThan(before + 3);
  };
  return { watch, rows, told, settled, answer: (value: string | null) => (up = value) };
}

test("a scrape that fails for longer than it may is told with the way through the firewall, and no longer than it fails", async () => {
  const { watch, rows, told, answer } = await watched(0);
  await expect.poll(() => told.length).toBe(1);
  expect(told[0]).toContain("does not get the app's metrics");
  expect(told[0]).toContain("port 23456");
  expect(rows.map(watch.noted).map(({ note }) => note)).toEqual([told[0], null]);
  answer("1");
  await expect.poll(() => told.length).toBe(2);
  expect(told[1]).toBeNull();
  // No target of that name at all is no better.
  answer("");
  await expect.poll(() => told.length).toBe(3);
  expect(told[2]).toBe(told[0]);
});

test("one that just started has time, and a Prometheus that does not answer proves nothing", async () => {
  const patient = await watched(60_000);
  await patient.settled();
  expect(patient.told).toEqual([]);
  const silent = await watched(0, null);
  await silent.settled();
  expect(silent.told).toEqual([]);
});
