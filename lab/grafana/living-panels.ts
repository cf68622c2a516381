import { setTimeout as pause } from "node:timers/promises";
import type { Page } from "playwright";
import { routes } from "#lab/api/routes.ts";
import type { StatusBody } from "#lab/api/services.ts";
import type { ServiceId } from "#lab/services/ids.ts";
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

/** Several scrapes of the app. */
const scrapedWithinMs = 5_000;
const toldWithinMs = 20_000;
const askEveryMs = 250;

/** Programs whose metrics no stand-in has under these names, by how the names begin. */
const toldBy: readonly (readonly [string, ServiceId])[] = [
  ["minio_", "minio"],
  ["otelcol_", "collector"],
  ["postgresql_", "collector"],
  ["traces_", "collector"],
  ["tempo_", "tempo"],
];

const vitals: readonly string[] = Object.values(metric.webVital).map((name) => `${name}_count`);

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
  const real = (id: ServiceId) =>
    status.services.find((row) => row.id === id && row.state === "ready" && row.kind === "real");
  const urlOf = (id: ServiceId): string | undefined => real(id)?.url ?? undefined;
  const prometheus = urlOf("prometheus");
  const queries = dashboardFiles().flatMap(queriesOf);
  if (prometheus === undefined) {
    const judgement = { state: "not judged", why: "Prometheus is not there" } as const;
    return queries.map((query) => ({ query, judgement }));
  }
  await visitPages(origin, prometheus);
  const known = await knownMetrics(prometheus);
  const backends = {
    ...{ prometheus, tempo: urlOf("tempo"), loki: urlOf("loki") },
    without: toldBy.flatMap(([beginning, id]) => (real(id) === undefined ? [beginning] : [])),
  };
  const judge = (query: DashboardQuery) =>
    judgeQuery(query, backends, known, { now: Date.now(), seconds });
  const judged: JudgedQuery[] = [];
  // What came last may not have been scraped, or still be on its way.
  const until = Date.now() + toldWithinMs;
  for (const query of queries) {
    let judgement = await judge(query);
    while (judgement.state === "dead" && Date.now() < until) {
      await pause(askEveryMs);
      judgement = await judge(query);
    }
    judged.push({ query, judgement });
  }
  return judged;
}

/**
 * A page tells its last vitals when it is left: drivers of scenarios just close theirs. Resolves
 * when Prometheus counts more of every vital than before, or after the time that this should take.
 */
async function visitPages(origin: string, prometheus: string): Promise<void> {
  const executablePath = await findBrowser(process.env);
  if (executablePath === undefined) return;
  const { chromium } = await import("playwright");
  const before = await vitalsCounted(prometheus);
  const allTold = async (): Promise<boolean> => {
    const now = await vitalsCounted(prometheus);
    return vitals.every((name) => (now.get(name) ?? 0) > (before.get(name) ?? 0));
  };
  const browser = await chromium.launch({ executablePath, args: [...browserArguments] });
  try {
    const page = await browser.newPage();
    const until = Date.now() + toldWithinMs;
    let told = false;
    while (!told && Date.now() < until) {
      await visit(page, origin);
      const scraped = Date.now() + scrapedWithinMs;
      for (told = await allTold(); !told && Date.now() < scraped; told = await allTold()) {
        await pause(askEveryMs);
      }
    }
  } finally {
    await browser.close();
  }
}

/** Looks at the lab's page until it has shown something, reacts once, and leaves. */
async function visit(page: Page, origin: string): Promise<void> {
  await page.goto(origin, { waitUntil: "load" });
  await page.locator("main").first().waitFor();
  // A page that is left before its first paint tells neither LCP nor CLS.
  await page.waitForFunction('performance.getEntriesByName("first-contentful-paint").length > 0');
  await page.keyboard.press("Tab");
  // How long the reaction took is known after the frame that shows it.
  await page.evaluate(
    "new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))",
  );
  await page.goto("about:blank");
}

/** By metric. */
async function vitalsCounted(prometheus: string): Promise<ReadonlyMap<string, number>> {
  const query = new URLSearchParams({
    query: `sum by (name) (label_replace({__name__=~"${vitals.join("|")}"}, "name", "$1", "__name__", "(.+)"))`,
  });
  const answer = await fetch(`${prometheus}/api/v1/query?${query}`);
  const { data } = (await answer.json()) as {
    readonly data: {
      readonly result: readonly {
        readonly metric: { readonly name: string };
        readonly value: readonly [number, string];
      }[];
    };
  };
  return new Map(data.result.map(({ metric: { name }, value }) => [name, Number(value[1])]));
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
