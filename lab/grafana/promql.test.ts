import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { prometheus } from "#lab/services/prometheus.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import { growthFromFirst, rate, rateFromFirst } from "./promql.ts";
import { filledIn } from "./queries.ts";

const program = await findProgram(prometheus, process.env).catch(() => undefined);
/** Prometheus' own tool for tests of expressions, which is installed beside it. */
const promtool = join(dirname(program?.path ?? "/nowhere"), "promtool");

interface Case {
  readonly expr: string;
  /** Of a counter, every five seconds, as promtool has them: `_` is no sample. */
  readonly counted: string;
  readonly at: string;
  readonly value: number;
}

/** @returns what promtool says of it, empty when the expression has that value. */
async function judged({ expr, counted, at, value }: Case): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "promql-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const [file, interval] = [join(dir, "case.yaml"), "5s"];
  const series = { series: 'a_total{b="c"}', values: counted };
  const asked = {
    expr: `sum(${filledIn(expr, 120)})`,
    ...{ eval_time: at, exp_samples: [{ labels: "{}", value }] },
  };
  // Every JSON document is one of YAML.
  const one = { interval, input_series: [series], promql_expr_test: [asked] };
  await writeFile(file, JSON.stringify({ evaluation_interval: interval, tests: [one] }));
  const ended = promisify(execFile)(promtool, ["test", "rules", file]);
  return ended.then(
    () => "",
    (error: { readonly stdout: string; readonly stderr: string }) => error.stdout + error.stderr,
  );
}

describe.skipIf(!existsSync(promtool))("counters that appear with what they count", () => {
  test.each<[string, Case]>([
    [
      "rate sees nothing of three events at once",
      { expr: rate("a_total"), counted: "_x4 3x40", at: "30s", value: 0 },
    ],
    [
      "rateFromFirst does",
      { expr: rateFromFirst("a_total"), counted: "_x4 3x40", at: "30s", value: 0.1 },
    ],
    [
      "and no longer than for its interval",
      { expr: rateFromFirst("a_total"), counted: "_x4 3x40", at: "80s", value: 0 },
    ],
    [
      "one sample is enough",
      { expr: rateFromFirst("a_total"), counted: "_x4 3x40", at: "20s", value: 0.1 },
    ],
    [
      "a scrape that failed makes no counter new",
      { expr: rateFromFirst("a_total"), counted: "100x10 stale _x1 100x10", at: "90s", value: 0 },
    ],
    [
      "growthFromFirst counts what was there first",
      { expr: growthFromFirst("a_total"), counted: "_x4 3x40", at: "110s", value: 3 },
    ],
    [
      "and what came before the window not",
      { expr: growthFromFirst("a_total"), counted: "3x80", at: "300s", value: 0 },
    ],
  ])("%s", async (_, one) => {
    expect(await judged(one)).toBe("");
  });
});
