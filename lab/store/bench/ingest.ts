import { rmSync } from "node:fs";
import { openStore } from "../store.ts";
import { makeBatch, spansPerBatch } from "./batches.ts";
import { cpuSeconds, report, tempDir } from "./measuring.ts";
import { type SpanSink, sqliteSink } from "./sqlite-sink.ts";

interface Contestant {
  readonly name: string;
  readonly sink: SpanSink;
  /** Takes part in one round of so many. */
  readonly every: number;
  cpu: number;
  spans: number;
}

const batchesPerRound = 16;
/** Rounds that are not counted: the code is not compiled yet. */
const warmUps = 8;

/**
 * Adds the same batches to each in turn and compares the processor time. All start from the bytes of
 * an OTLP request and end with rows that survive the end of the process.
 */
export async function compareIngest(totalSpans: number): Promise<void> {
  const dir = tempDir();
  const store = openStore({ dir });
  const ours = contestant("store, attributes searchable", {
    add: store.addTraces,
    close: store.close,
  });
  const library = contestant("node:sqlite, protobufjs", sqliteSink(dir, "library"));
  const scanner = contestant("node:sqlite, our scanner", sqliteSink(dir, "scanner"));
  // So slow that every round would take minutes.
  const searchable = contestant(
    "node:sqlite, our scanner, attributes searchable",
    sqliteSink(dir, "scanner with attributes"),
    8,
  );
  const contestants = [ours, library, scanner, searchable];
  const rounds = Math.ceil(totalSpans / batchesPerRound / spansPerBatch);
  for (let round = -warmUps; round < rounds; round++) {
    const batches = Array.from({ length: batchesPerRound }, makeBatch);
    for (const each of round % 2 === 0 ? contestants : contestants.toReversed()) {
      if (round % each.every !== 0) continue;
      const before = cpuSeconds();
      for (const batch of batches) await each.sink.add(batch);
      if (round < 0) continue;
      each.cpu += cpuSeconds() - before;
      each.spans += batches.length * spansPerBatch;
    }
  }
  for (const { name, cpu, spans } of contestants)
    report(
      `ingest, ${name}`,
      `${Math.round(spans / cpu).toLocaleString("en")} spans per CPU-second, ${((cpu / spans) * 1e6).toFixed(2)} µs each`,
    );
  const ratio = (other: Contestant): string =>
    `${(other.cpu / other.spans / (ours.cpu / ours.spans)).toFixed(1)}x`;
  const against = "ingest, against SQLite by trace, service, time";
  report(`${against} (must 10, aim 20)`, ratio(library));
  report(`${against}, decoded by our scanner`, ratio(scanner));
  report("ingest, against SQLite that can search attributes, too", ratio(searchable));
  for (const { sink } of contestants) sink.close();
  rmSync(dir, { recursive: true });
}

const contestant = (name: string, sink: SpanSink, every = 1): Contestant => ({
  ...{ name, sink, every },
  ...{ cpu: 0, spans: 0 },
});
