/**
 * Figures of the store, as ratios taken inside one run wherever there is something to compare
 * with. `--spans N` (default 1,000,000) sets the size, `--kills N` (default 200) the rounds of
 * kill -9. Prints one line per figure.
 */
import { parseArgs } from "node:util";
import { compareIngest } from "./bench/ingest.ts";
import { killRounds } from "./bench/kills.ts";
import { measureLarge } from "./bench/large.ts";

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "store"),
  options: {
    spans: { type: "string", default: "1000000" },
    kills: { type: "string", default: "200" },
  },
});
const spans = Number(options.spans);
const kills = Number(options.kills);

await measureLarge(spans);
await compareIngest(spans);
if (kills > 0) await killRounds(kills);
