import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { redMetrics } from "../red-metrics.ts";
import { openStore, type Store } from "../store.ts";
import { traceJson, traceProtobuf } from "../trace-read.ts";
import { searchTraces } from "../trace-search.ts";
import { makeBatch, spansPerBatch } from "./batches.ts";
import { cpuSeconds, p50, report, tempDir } from "./measuring.ts";
import { startStore } from "./store-process.ts";

/** Fills a store in its own process over HTTP, then opens what it left and asks. */
export async function measureLarge(totalSpans: number): Promise<void> {
  const dir = tempDir();
  await fill(dir, totalSpans);
  // The checkpoint first, while nothing is compiled yet: as at a real start.
  open(dir, "start from checkpoint (must 300, aim 100 ms)").close();
  rmSync(join(dir, "index.checkpoint"));
  const store = open(dir, "start by replay (must 2000, aim 1000 ms)");
  const start = performance.now();
  store.checkpoint();
  report("checkpoint written in", `${(performance.now() - start).toFixed(0)} ms`);
  ask(store);
  store.close();
  rmSync(dir, { recursive: true });
}

/** Resident memory of a process, in bytes. */
const residentBytes = (pid: number): number =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024;

async function fill(dir: string, totalSpans: number): Promise<void> {
  const { child, port } = await startStore(dir);
  const pid = child.pid as number;
  const send = async (): Promise<void> => {
    const headers = { "content-type": "application/x-protobuf" };
    const url = `http://127.0.0.1:${port}/v1/traces`;
    const answer = await fetch(url, { method: "POST", body: makeBatch(), headers });
    if (answer.status !== 200) throw new Error(`the store answered ${answer.status}`);
    await answer.arrayBuffer();
  };
  const before = residentBytes(pid);
  for (let sent = 0; sent < totalSpans; sent += spansPerBatch) await send();
  report(
    "RSS added (must 200, aim 135 MB per million)",
    `${((residentBytes(pid) - before) / 1e6).toFixed(0)} MB, to ${(before / 1e6).toFixed(0)} MB of the empty store`,
  );
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

function open(dir: string, figure: string): Store {
  const start = performance.now();
  const cpu = cpuSeconds();
  const store = openStore({ dir });
  const ms = performance.now() - start;
  const cpuMs = (cpuSeconds() - cpu) * 1000;
  report(
    figure,
    `${ms.toFixed(0)} ms (${cpuMs.toFixed(0)} ms of CPU), ${store.stats().spans.toLocaleString("en")} spans`,
  );
  return store;
}

function ask({ index, stats }: Store): void {
  const { traces } = stats();
  const someTrace = (n: number): number => ((n * 7919) % (traces - 1)) + 1;
  report(
    "trace by id, OTLP JSON (must 1, aim 0.2 ms)",
    p50(300, (n) => void traceJson(index, someTrace(n), "otlp")),
  );
  report(
    "trace by id, protobuf",
    p50(300, (n) => void traceProtobuf(index, someTrace(n))),
  );
  const search = (query: string) => () => void searchTraces(index, { query, limit: 20 });
  report(
    "service && duration && error (must 3, aim 1 ms)",
    p50(
      50,
      search('{ resource.service.name = "lab-server" && duration > 90ms && status = error }'),
    ),
  );
  report(
    "attribute equality, newest 20 (must 40, aim 5 ms)",
    p50(50, (n) => search(`{ span.order.id = "order-${n * 37}" }`)()),
  );
  report(
    "attribute equality, nothing found",
    p50(10, search('{ span.order.id = "no such order" }')),
  );
  report(
    "rate, errors, durations over all",
    p50(5, () => void redMetrics(index, { seconds: 1e6, limit: 500 }, Date.now())),
  );
}
