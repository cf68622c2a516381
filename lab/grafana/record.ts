/**
 * Records what a Prometheus has scraped, for the tests of the dashboards:
 * `node lab/grafana/record.ts http://127.0.0.1:<port> [<job>=<name>…]` writes
 * `testdata/<name>.txt` for each job, under the job's own name unless another is given; jobs of one name go together.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { recordedSeries } from "./recorded-series.ts";

const [base, ...renames] = process.argv.slice(2);
if (base === undefined) throw new Error("which Prometheus? Give its address.");
const names = new Map(renames.map((rename) => rename.split("=") as [string, string]));

const read = async (path: string): Promise<unknown> => {
  const answer = await fetch(new URL(path, base));
  if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}`);
  return ((await answer.json()) as { data: unknown }).data;
};
const jobs = (await read("/api/v1/label/job/values")) as readonly string[];
for (const [name, together] of Map.groupBy(jobs, (job) => names.get(job) ?? job)) {
  const match = encodeURIComponent(`{job=~${JSON.stringify(together.join("|"))}}`);
  const series = (await read(`/api/v1/series?match[]=${match}`)) as Record<string, string>[];
  const file = join(repositoryDir, "lab", "grafana", "testdata", `${name}.txt`);
  const lines = recordedSeries(series);
  writeFileSync(file, `${lines.join("\n")}\n`);
  process.stdout.write(`${name}: ${lines.length} lines of ${series.length} series\n`);
}
