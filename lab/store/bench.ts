/**
 * Figures of the store, as ratios taken inside one run wherever there is something to compare
 * with. `--spans N` (default 1,000,000) sets the size, `--kills N` (default 200) the rounds of
 * kill -9. Prints one line per figure.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { encodeMessage } from "./otlp-encode.ts";
import { tracesRequest } from "./otlp-schema.ts";
import { redMetrics } from "./red-metrics.ts";
import { scanSpans } from "./span-scan.ts";
import { spanStage } from "./span-stage.ts";
import { openStore, type Store } from "./store.ts";
import { traceJson, traceProtobuf } from "./trace-read.ts";
import { searchTraces } from "./trace-search.ts";

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "store"),
  options: {
    spans: { type: "string", default: "1000000" },
    kills: { type: "string", default: "200" },
  },
});
const totalSpans = Number(options.spans);
const kills = Number(options.kills);
const spansPerBatch = 512;
const spansPerTrace = 25;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const report = (figure: string, value: string): void =>
  console.log(`${figure.padEnd(58)} ${value}`);

let spanNumber = 0;
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
const attribute = (key: string, stringValue: string): object => ({ key, value: { stringValue } });

/** One batch of what an app with HTTP, database and cache spans sends: 12 attributes each. */
function makeBatch(): Buffer {
  const now = BigInt(Date.now()) * 1_000_000n;
  const spans = Array.from({ length: spansPerBatch }, () => {
    const number = ++spanNumber;
    const trace = Math.floor(number / spansPerTrace);
    const inTrace = number % spansPerTrace;
    const duration = BigInt((number * 7919) % 1000) * 100_000n;
    return {
      // Mixed, as random ids are.
      traceId: hex(Math.imul(trace, 0x9e3779b1) >>> 0, 8) + hex(trace, 24),
      spanId: hex(Math.imul(number, 0x85ebca6b) >>> 0, 8) + hex(number, 8),
      ...(inTrace === 0
        ? {}
        : { parentSpanId: hex(Math.imul(number - 1, 0x85ebca6b) >>> 0, 8) + hex(number - 1, 8) }),
      name: ["GET /orders/:id", "SELECT orders", "cache.get", "PUT object"][number % 4],
      kind: inTrace === 0 ? 2 : 3,
      startTimeUnixNano: String(now),
      endTimeUnixNano: String(now + duration),
      status: number % 33 === 0 ? { code: 2, message: "failed" } : {},
      attributes: [
        attribute("lab.run.id", hex(Math.floor(trace / 100), 26)),
        attribute("db.system.name", "postgresql"),
        attribute("db.query.text", "select * from orders where id = $1 and customer_id = $2"),
        attribute("db.namespace", "lab"),
        attribute("db.operation.name", "SELECT"),
        attribute("server.address", "127.0.0.1"),
        { key: "server.port", value: { intValue: 5432 } },
        { key: "db.response.returned_rows", value: { intValue: number % 100 } },
        attribute("http.route", "/orders/:id"),
        attribute("url.path", `/orders/${number % 5000}`),
        attribute("order.id", `order-${number % 20_000}`),
        { key: "lab.retry.attempt", value: { intValue: 1 } },
      ],
    };
  });
  const resource = {
    attributes: [
      attribute("service.name", spanNumber % 3 === 0 ? "lab-web" : "lab-server"),
      attribute("service.version", "1.0.0"),
    ],
  };
  return encodeMessage(
    { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "bench" }, spans }] }] },
    tracesRequest,
  );
}

function tempDir(): string {
  return mkdtempSync(join(tmpdir(), "lab-store-bench-"));
}
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

interface SpanSink {
  readonly add: (batch: Buffer) => undefined | Promise<unknown>;
  readonly close: () => void;
}

/** SQLite as one would use it: the same scan, a row per span with its bytes, three indexes, WAL. */
function sqliteSink(dir: string): SpanSink {
  const db = new DatabaseSync(join(dir, "spans.db"));
  db.exec(`pragma journal_mode = wal; pragma synchronous = normal;
    create table span (trace blob, id blob, parent blob, service text, name text, start integer, duration integer, kind integer, status integer, bytes blob);
    create index by_trace on span (trace); create index by_service on span (service, start); create index by_time on span (start);`);
  const insert = db.prepare("insert into span values (?,?,?,?,?,?,?,?,?,?)");
  const stage = spanStage();
  return {
    add: (batch) => {
      scanSpans(batch, stage);
      db.exec("begin");
      const ids = Buffer.from(stage.traceId.buffer);
      const spanIds = Buffer.from(stage.spanId.buffer);
      const parents = Buffer.from(stage.parentId.buffer);
      for (let i = 0; i < stage.count; i++) {
        const group = stage.group[i] as number;
        const start =
          (stage.start[i * 2 + 1] as number) * 0x1_0000_0000 + (stage.start[i * 2] as number);
        const end = (stage.end[i * 2 + 1] as number) * 0x1_0000_0000 + (stage.end[i * 2] as number);
        const text = (offset: number, length: number): string =>
          batch.toString("utf8", offset, offset + length);
        const offset = stage.offset[i] as number;
        insert.run(
          ids.subarray(i * 16, i * 16 + 16),
          spanIds.subarray(i * 8, i * 8 + 8),
          parents.subarray(i * 8, i * 8 + 8),
          text(
            stage.groups.serviceOffset[group] as number,
            stage.groups.serviceLength[group] as number,
          ),
          text(stage.nameOffset[i] as number, stage.nameLength[i] as number),
          Math.floor(start / 1000),
          end - start,
          stage.kind[i] as number,
          stage.status[i] as number,
          batch.subarray(offset, offset + (stage.length[i] as number)),
        );
      }
      db.exec("commit");
    },
    close: () => db.close(),
  };
}

async function compareIngest(): Promise<void> {
  const dir = tempDir();
  const store = openStore({ dir });
  const sinks: readonly { readonly name: string; readonly sink: SpanSink; cpu: number }[] = [
    { name: "store", sink: { add: store.addTraces, close: store.close }, cpu: 0 },
    { name: "sqlite", sink: sqliteSink(dir), cpu: 0 },
  ];
  const rounds = 20;
  const batchesPerRound = 8;
  const warmUps = 10;
  const batches = Array.from({ length: (rounds + warmUps) * batchesPerRound }, makeBatch);
  collectGarbage();
  for (let round = -warmUps; round < rounds; round++) {
    const begin = (round + warmUps) * batchesPerRound;
    for (const each of round % 2 === 0 ? sinks : sinks.toReversed()) {
      const before = cpuSeconds();
      for (const batch of batches.slice(begin, begin + batchesPerRound)) await each.sink.add(batch);
      if (round >= 0) each.cpu += cpuSeconds() - before;
    }
  }
  const spans = rounds * batchesPerRound * spansPerBatch;
  const [ours, theirs] = sinks.map(({ cpu }) => spans / cpu) as [number, number];
  report("ingest, spans per CPU-second: store", Math.round(ours).toLocaleString("en"));
  report("ingest, spans per CPU-second: node:sqlite", Math.round(theirs).toLocaleString("en"));
  report("ingest, ratio (must 10, aim 20)", `${(ours / theirs).toFixed(1)}x`);
  for (const { sink } of sinks) sink.close();
  rmSync(dir, { recursive: true });
}

function p50(times: number, run: (n: number) => void): string {
  const ms: number[] = [];
  for (let n = 0; n < times; n++) {
    const before = performance.now();
    run(n);
    ms.push(performance.now() - before);
  }
  ms.sort((a, b) => a - b);
  const at = (share: number): string => (ms[Math.floor(ms.length * share)] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

async function measureLarge(): Promise<void> {
  const dir = tempDir();
  collectGarbage();
  const before = process.memoryUsage();
  let store: Store = openStore({ dir });
  const began = performance.now();
  while (store.stats().spans < totalSpans) await store.addTraces(makeBatch());
  const { spans, traces, bytes } = store.stats();
  collectGarbage();
  const after = process.memoryUsage();
  const columns = after.arrayBuffers - before.arrayBuffers;
  const rss = after.rss - before.rss;
  report(
    `held: ${spans.toLocaleString("en")} spans, ${traces.toLocaleString("en")} traces`,
    `${(bytes / 1e6).toFixed(0)} MB on disk, made and added in ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  report(
    "RSS added (must 200, aim 135 MB per million)",
    `${(rss / 1e6).toFixed(0)} MB, of it columns ${(columns / 1e6).toFixed(0)} MB`,
  );

  const { index } = store;
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
    p50(5, () => void redMetrics(index, 1e6, Date.now())),
  );

  let start = performance.now();
  store.checkpoint();
  report("checkpoint written in", `${(performance.now() - start).toFixed(0)} ms`);
  store.close();
  start = performance.now();
  store = openStore({ dir });
  report(
    "start from checkpoint (must 300, aim 100 ms)",
    `${(performance.now() - start).toFixed(0)} ms`,
  );
  store.close();
  rmSync(join(dir, "index.checkpoint"));
  start = performance.now();
  store = openStore({ dir });
  report(
    "start by replay (must 2, aim 1 s)",
    `${((performance.now() - start) / 1000).toFixed(2)} s, ${store.stats().spans.toLocaleString("en")} spans`,
  );
  store.close();
  rmSync(dir, { recursive: true });
}

async function killRounds(): Promise<void> {
  const dir = tempDir();
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const acknowledged: string[] = [];
  for (let round = 0; round < kills; round++) {
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, LAB_STORE_PORT: "0", LAB_STORE_DIR: dir },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await once(lines, "line")) as [string];
    const { port } = JSON.parse(line) as { port: number };
    const killAt = acknowledged.length + 1 + Math.floor(Math.random() * 20);
    let isKilled = false;
    const send = async (): Promise<void> => {
      while (!isKilled) {
        const traceId = `bb${hex(++spanNumber, 30)}`;
        const span = { traceId, spanId: hex(spanNumber, 16), name: "kill" };
        const body = encodeMessage(
          { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] },
          tracesRequest,
        );
        const headers = { "content-type": "application/x-protobuf" };
        const answer = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
          method: "POST",
          body,
          headers,
        });
        if (answer.status === 200) acknowledged.push(traceId);
        if (acknowledged.length < killAt) continue;
        isKilled = true;
        child.kill("SIGKILL");
      }
    };
    const exited = once(child, "exit");
    await Promise.allSettled([send(), send(), send(), send()]);
    await exited;
  }
  const store = openStore({ dir });
  const lost = acknowledged.filter((traceId) => store.index.traces.findHex(traceId) === 0).length;
  report(`acknowledged and lost in ${kills} kill -9 (must 0)`, `${lost} of ${acknowledged.length}`);
  store.close();
  rmSync(dir, { recursive: true });
}

await measureLarge();
await compareIngest();
if (kills > 0) await killRounds();
