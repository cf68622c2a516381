import { rmSync } from "node:fs";
import { openStore } from "../store.ts";
import { makeBatch, spansPerBatch } from "./batches.ts";
import { cpuSeconds, report, tempDir } from "./measuring.ts";
import { type SpanSink, sqliteSink } from "./sqlite-sink.ts";

interface Contestant {
  readonly name: string;
  readonly sink: SpanSink;
  cpu: number;
}

const batchesPerRound = 16;
/** Rounds that are not counted: the code is not compiled yet. */
const warmUps = 6;

/** Adds the same batches to each store in turn and compares the processor time it took. */
export async function compareIngest(totalSpans: number): Promise<void> {
  const dir = tempDir();
  const store = openStore({ dir });
  const ours: Contestant = {
    name: "store",
    sink: { add: store.addTraces, close: store.close },
    cpu: 0,
  };
  const searchable: Contestant = {
    name: "node:sqlite with attribute search",
    sink: sqliteSink(dir, true),
    cpu: 0,
  };
  const plain: Contestant = {
    name: "node:sqlite without attribute search",
    sink: sqliteSink(dir, false),
    cpu: 0,
  };
  const contestants = [ours, searchable, plain];
  const rounds = Math.ceil(totalSpans / batchesPerRound / spansPerBatch);
  for (let round = -warmUps; round < rounds; round++) {
    const batches = Array.from({ length: batchesPerRound }, makeBatch);
    for (const each of round % 2 === 0 ? contestants : contestants.toReversed()) {
      const before = cpuSeconds();
      for (const batch of batches) await each.sink.add(batch);
      if (round >= 0) each.cpu += cpuSeconds() - before;
    }
  }
  const spans = rounds * batchesPerRound * spansPerBatch;
  for (const { name, cpu } of contestants)
    report(
      `ingest, ${name}`,
      `${Math.round(spans / cpu).toLocaleString("en")} spans per CPU-second, ${((cpu / spans) * 1e6).toFixed(2)} µs each`,
    );
  const ratio = (other: Contestant): string => `${(other.cpu / ours.cpu).toFixed(1)}x`;
  // The stricter reading is the one that counts: only the store keeps attributes searchable.
  report("ingest, against SQLite by trace, service, time (must 10, aim 20)", ratio(plain));
  report("ingest, against SQLite that can search attributes, too", ratio(searchable));
  for (const { sink } of contestants) sink.close();
  rmSync(dir, { recursive: true });
}
