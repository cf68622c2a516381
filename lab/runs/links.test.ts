import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { logqlErrors } from "../grafana/expression.ts";
import { dashboardTitle } from "../grafana/uids.ts";
import { repositoryDir } from "../state/lab-dir.ts";
import { linksOf } from "./links.ts";

const traceId = "ab".repeat(16);
const other = "cd".repeat(16);
const startedAt = Date.UTC(2026, 0, 2, 3, 4, 5);
const run = {
  ...{ scenario: "db.n-plus-one", startedAt, endedAt: startedAt + 700 },
  traceIds: [traceId, other],
};
const grafana = "http://localhost:3000";
const urlOf = (links: ReturnType<typeof linksOf>, label: string): URL =>
  new URL(links.find((link) => link.label === label)?.href ?? "none:");
const paneOf = (url: URL) => JSON.parse(url.searchParams.get("panes") ?? "{}").lab;

test("without Grafana and Sentry there are the raw traces only", () => {
  expect(linksOf(run)).toEqual([
    { label: "Raw trace (OTLP JSON)", href: `/lab/api/traces/${traceId}` },
    { label: "Raw trace 2 (OTLP JSON)", href: `/lab/api/traces/${other}` },
  ]);
});

test("Explore opens the run's trace in Tempo, in a window around the run", () => {
  const url = urlOf(linksOf(run, { grafana }), "Trace in Grafana");
  expect(url.origin + url.pathname).toBe("http://localhost:3000/explore");
  expect(url.searchParams.get("schemaVersion")).toBe("1");
  expect(paneOf(url)).toEqual({
    datasource: "tempo",
    queries: [
      {
        refId: "A",
        datasource: { type: "tempo", uid: "tempo" },
        queryType: "traceql",
        query: traceId,
      },
    ],
    range: { from: String(startedAt - 30_000), to: String(startedAt + 30_700) },
  });
});

test("Explore opens the trace's log lines in Loki, with a query that it understands", () => {
  const pane = paneOf(urlOf(linksOf(run, { grafana }), "Logs in Grafana"));
  expect(pane.datasource).toBe("loki");
  expect(pane.queries[0].expr).toContain(traceId);
  expect(logqlErrors(pane.queries[0].expr)).toEqual([]);
});

test.each([
  ["db.deadlock", "lab-postgres"],
  ["cache.eviction", "lab-valkey"],
  ["auth.idp-down", "lab-valkey"],
  ["s3.throttled", "lab-object-storage"],
  ["pipe.huge-span", "lab-pipeline"],
  ["ui.long-task", "lab-frontend"],
])("a run of %s leads to the dashboard %s and to the overview", (scenario, uid) => {
  const paths = linksOf({ ...run, scenario }, { grafana }).map(
    ({ href }) => new URL(href, grafana).pathname,
  );
  expect(paths).toEqual(expect.arrayContaining(["/d/lab-overview", `/d/${uid}`]));
});

test("the dashboard's window ends now as long as the run goes on", () => {
  const { searchParams } = urlOf(
    linksOf({ ...run, scenario: "run.memory-leak", endedAt: null }, { grafana }),
    "Lab overview in Grafana",
  );
  expect([searchParams.get("from"), searchParams.get("to")]).toEqual([
    ...[String(startedAt - 30_000), "now"],
  ]);
});

test("every dashboard that is linked is provisioned", () => {
  const files = readdirSync(join(repositoryDir, "grafana", "dashboards"));
  expect(files.sort()).toEqual(
    Object.keys(dashboardTitle)
      .map((uid) => `${uid}.json`)
      .sort(),
  );
});

test.each(["https://my-shop.sentry.io", "https://sentry.example/organizations/my-shop/"])(
  "%s leads to the trace and its issues there",
  (sentryOrg) => {
    const base = sentryOrg.replace(/\/$/, "");
    expect(linksOf(run, { sentryOrg }).slice(2)).toEqual([
      { label: "Issues in Sentry", href: `${base}/issues/?query=trace%3A${traceId}` },
      { label: "Trace in Sentry", href: `${base}/explore/traces/trace/${traceId}/` },
    ]);
  },
);

test("a run that no trace came from still leads to the dashboards", () => {
  expect(linksOf({ ...run, traceIds: [] }, { grafana, sentryOrg: grafana })).toEqual([
    { label: "Lab overview in Grafana", href: expect.stringContaining("/d/lab-overview?") },
    { label: "PostgreSQL in Grafana", href: expect.stringContaining("/d/lab-postgres?") },
  ]);
});

test("a Sentry address that is none makes no link", () => {
  expect(linksOf(run, { sentryOrg: "my-shop" })).toHaveLength(2);
});
