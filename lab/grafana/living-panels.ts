import { setTimeout as pause } from "node:timers/promises";
import { routes, type StatusBody } from "#lab/api.ts";
import { browserArguments, findBrowser } from "#lab/testing/browser.ts";
import { metric } from "#scenarios/names.ts";
import { type Judgement, judgeQuery, knownMetrics } from "./alive.ts";
import { dashboardFiles } from "./dashboard-files.ts";
import { type DashboardQuery, queriesOf } from "./queries.ts";

/** A query of a dashboard, and what came of it. */
export interface JudgedQuery {
  readonly query: DashboardQuery;
  readonly judgement: Judgement;
}

/** Several scrapes, and what the Collector takes to hand on what it counted. */
const scrapedWithinMs = 20_000;
const askEveryMs = 250;

/**
 * Puts every query of the dashboards to the real programs of a running lab.
 * @param origin of the lab, e.g. `http://localhost:4700`.
 * @param seconds how far back the panels look: as long as its scenarios have been run for.
 */
export async function judgeDashboards(
  origin: string,
  seconds: number,
): Promise<readonly JudgedQuery[]> {
  const status = (await (await fetch(origin + routes.status)).json()) as StatusBody;
  const urlOf = (id: string): string | undefined =>
    status.services.find((row) => row.id === id && row.state === "ready" && row.kind === "real")
      ?.url ?? undefined;
  const prometheus = urlOf("prometheus");
  const queries = dashboardFiles().flatMap(queriesOf);
  if (prometheus === undefined) {
    const judgement = { state: "not judged", why: "Prometheus is not there" } as const;
    return queries.map((query) => ({ query, judgement }));
  }
  await visitPage(origin, prometheus);
  const known = await knownMetrics(prometheus);
  const backends = { prometheus, tempo: urlOf("tempo"), loki: urlOf("loki") };
  const judged: JudgedQuery[] = [];
  for (const query of queries) {
    const window = { now: Date.now(), seconds };
    judged.push({ query, judgement: await judgeQuery(query, backends, known, window) });
  }
  return judged;
}

/**
 * A page tells its last vitals when it is left: drivers of scenarios just close theirs. Resolves
 * when Prometheus counts one more than before, or after the time that this should take.
 */
async function visitPage(origin: string, prometheus: string): Promise<void> {
  const executablePath = await findBrowser(process.env);
  if (executablePath === undefined) return;
  const { chromium } = await import("playwright");
  const before = await vitalsCounted(prometheus);
  const browser = await chromium.launch({ executablePath, args: [...browserArguments] });
  try {
    const page = await browser.newPage();
    await page.goto(origin, { waitUntil: "load" });
    await page.locator("main").first().waitFor();
    await page.goto("about:blank");
    const until = Date.now() + scrapedWithinMs;
    while ((await vitalsCounted(prometheus)) <= before && Date.now() < until) {
      await pause(askEveryMs);
    }
  } finally {
    await browser.close();
  }
}

/** Of the vital that a page tells last. */
async function vitalsCounted(prometheus: string): Promise<number> {
  const query = new URLSearchParams({ query: `sum(${metric.webVital.CLS}_count)` });
  const answer = await fetch(`${prometheus}/api/v1/query?${query}`);
  const { data } = (await answer.json()) as {
    readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
  };
  return Number(data.result[0]?.value[1] ?? 0);
}

/** One paragraph per query that shows nothing, and the sum. */
export function livingPanelsReport(judged: readonly JudgedQuery[]): readonly string[] {
  const counts = { alive: 0, dead: 0, "not judged": 0 };
  const lines = judged.flatMap(({ query: { dashboard, place, expr }, judgement }) => {
    counts[judgement.state] += 1;
    if (judgement.state === "alive") return [];
    return [`${judgement.state}: ${dashboard}, ${place}: ${judgement.why}`, `    ${expr}`];
  });
  const { alive, dead } = counts;
  return [
    ...lines,
    `panels: ${alive} queries alive, ${dead} dead, ${counts["not judged"]} not judged`,
  ];
}
