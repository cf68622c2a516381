/**
 * Puts every query of the dashboards to the programs of the running lab and lists what shows
 * nothing: `node lab/grafana/check-alive.ts [<minutes>]`, after `npm run lab -- verify`. Prometheus has
 * to be real. `LAB_PORT` is the lab's. Exit code 1 when a panel is dead.
 */
import type { StatusBody } from "#lab/api.ts";
import { routes } from "#lab/api.ts";
import { judgeQuery, knownMetrics } from "./alive.ts";
import { dashboardFiles } from "./dashboard-files.ts";
import { queriesOf } from "./queries.ts";

const minutes = Number(process.argv[2] ?? 15);
const lab = `http://localhost:${process.env.LAB_PORT ?? 4700}`;
const status = (await (await fetch(lab + routes.status)).json()) as StatusBody;
const urlOf = (id: string) =>
  status.services.find((row) => row.id === id && row.state === "ready" && row.kind === "real")
    ?.url ?? undefined;
const prometheus = urlOf("prometheus");
if (prometheus === undefined) throw new Error("this lab has no Prometheus");

const known = await knownMetrics(prometheus);
const backends = { prometheus, tempo: urlOf("tempo"), loki: urlOf("loki") };
const window = { now: Date.now(), seconds: minutes * 60 };
const counts = { alive: 0, dead: 0, "not judged": 0 };
for (const file of dashboardFiles()) {
  for (const query of queriesOf(file)) {
    const judgement = await judgeQuery(query, backends, known, window);
    counts[judgement.state] += 1;
    if (judgement.state === "alive") continue;
    const { dashboard, place, expr } = query;
    process.stdout.write(
      `${judgement.state}: ${dashboard}, ${place}: ${judgement.why}\n  ${expr}\n`,
    );
  }
}
const { alive, dead } = counts;
process.stdout.write(`${alive} alive, ${dead} dead, ${counts["not judged"]} not judged\n`);
process.exitCode = dead > 0 ? 1 : 0;
