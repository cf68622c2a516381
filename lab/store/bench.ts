/**
 * Figures of the store, as ratios taken inside one run wherever there is something to compare
 * with. `--tempo URL` (Tempo's API; `--tempo-otlp URL` its OTLP/HTTP receiver, port 4318 of the same
 * host otherwise) compares answers with a real Tempo instead. `--spans N` (default 1,000,000) sets the size, `--kills N` (default 200) the rounds of
 * kill -9. Prints one line per figure.
 */
import { parseArgs } from "node:util";
import { measureFeed } from "./bench/feed.ts";
import { compareIngest } from "./bench/ingest.ts";
import { killRounds } from "./bench/kills.ts";
import { measureLarge } from "./bench/large.ts";
import { compareWithTempo } from "./bench/tempo/compare.ts";

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "store"),
  options: {
    spans: { type: "string", default: "1000000" },
    kills: { type: "string", default: "200" },
    tempo: { type: "string" },
    "tempo-otlp": { type: "string" },
    "tempo-queries": { type: "string" },
  },
});
const spans = Number(options.spans);
const kills = Number(options.kills);

if (options.tempo === undefined) {
  await measureLarge(spans);
  await compareIngest(spans);
  await measureFeed();
  if (kills > 0) await killRounds(kills);
} else {
  const { hostname } = new URL(options.tempo);
  await compareWithTempo({
    url: options.tempo.replace(/\/$/, ""),
    otlp: options["tempo-otlp"] ?? `http://${hostname}:4318`,
    queries: options["tempo-queries"],
  });
}
