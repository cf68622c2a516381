import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Check, EvidenceQuery } from "../api/checks.ts";
import { logqlErrors } from "../grafana/expression.ts";
import { dashboardTitle } from "../grafana/uids.ts";
import { logQuery } from "../judge/logql.ts";
import { repositoryDir } from "../state/lab-dir.ts";
import { linksOf } from "./links.ts";
import type { Place, Places } from "./places.ts";
import { withQueryLinks } from "./query-links.ts";

const traceId = "ab".repeat(16);
const other = "cd".repeat(16);
const startedAt = Date.UTC(2026, 0, 2, 3, 4, 5);
const run = {
  ...{ scenario: "db.n-plus-one", startedAt, endedAt: startedAt + 700 },
  traceIds: [traceId, other],
};
const at = (url: string): Place => ({ at: url });
const backends = { tempo: at("http://t:1"), loki: at("http://l:1"), prometheus: at("http://p:1") };
const grafana = "http://localhost:3000";
const inGrafana: Places = { ...backends, grafana: at(grafana) };
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
  const url = urlOf(linksOf(run, inGrafana), "Trace in Grafana");
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
  const pane = paneOf(urlOf(linksOf(run, inGrafana), "Logs in Grafana"));
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
  const paths = linksOf({ ...run, scenario }, inGrafana).map(
    ({ href }) => new URL(href ?? "", grafana).pathname,
  );
  expect(paths).toEqual(expect.arrayContaining(["/d/lab-overview", `/d/${uid}`]));
});

test("the dashboard's window ends now as long as the run goes on", () => {
  const { searchParams } = urlOf(
    linksOf({ ...run, scenario: "run.memory-leak", endedAt: null }, inGrafana),
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
  expect(linksOf({ ...run, traceIds: [] }, { ...inGrafana, sentryOrg: grafana })).toEqual([
    { label: "Lab overview in Grafana", href: expect.stringContaining("/d/lab-overview?") },
    { label: "PostgreSQL in Grafana", href: expect.stringContaining("/d/lab-postgres?") },
  ]);
});

test("a Sentry address that is none makes no link", () => {
  expect(linksOf(run, { sentryOrg: "my-shop" })).toHaveLength(2);
});

function linked(query: EvidenceQuery, places: Places = {}, isKept = true) {
  const check: Check = {
    ...{ index: 0, title: "t", signal: "span", state: "fail", why: "w", hint: "h" },
    query,
  };
  return withQueryLinks([check], { ...run, runId }, places, () => isKept)[0]?.query;
}
const hrefOf = (query: EvidenceQuery, places: Places = {}): string =>
  linked(query, places)?.href ?? "";
const runId = "0mwsbadqm000cgm6kdbpg57aie";
const inTraceql: EvidenceQuery = { language: "traceql", text: '{ name = "a" }' };
const inLogql: EvidenceQuery = {
  ...{ language: "logql", asked: "loki" },
  text: logQuery(runId, new Set([traceId]), { service: "lab-server", body: 'a "b"' }),
};

test("every query leads to its answer: on the page, or in what the lab keeps of the run", () => {
  const http: EvidenceQuery = { language: "http", text: `GET /lab/api/logs?run=${runId}` };
  expect(hrefOf(http)).toBe(`/lab/api/logs?run=${runId}`);
  expect(hrefOf(inTraceql)).toBe("/traces?q=%7B+name+%3D+%22a%22+%7D");
  expect(hrefOf({ language: "promql", text: "up" })).toBe(`/lab/api/runs/${runId}/evidence`);
});

test("a query that was put to a backend leads there, to Grafana where that runs", () => {
  const traces = new URL(hrefOf({ ...inTraceql, asked: "tempo" }, backends));
  expect([traces.origin, traces.searchParams.get("q")]).toEqual(["http://t:1", inTraceql.text]);
  const logs = new URL(hrefOf(inLogql, backends));
  expect(Object.fromEntries(logs.searchParams)).toEqual({
    query: inLogql.text,
    start: `${startedAt - 30_000}000000`,
    end: `${startedAt + 30_700}000000`,
  });
  const metrics = new URL(hrefOf({ language: "promql", text: "up" }, backends));
  expect(Object.fromEntries(metrics.searchParams)).toEqual({
    ...{ query: "up", step: "1" },
    start: String(startedAt / 1000 - 30),
    end: String((startedAt + 30_700) / 1000),
  });
  const pane = paneOf(new URL(hrefOf(inLogql, inGrafana)));
  expect(pane).toMatchObject({ datasource: "loki", queries: [{ expr: inLogql.text }] });
});

test("a query whose backend went away leads to what the lab has of it, and says so", () => {
  const away = { away: "Tempo is not part of this lab now." };
  const asked: EvidenceQuery = { ...inTraceql, asked: "tempo" };
  expect(linked(asked, { grafana: at(grafana), tempo: away })).toEqual({
    ...{ ...asked, note: away.away },
    href: hrefOf(inTraceql),
  });
  expect(linked(inLogql, { loki: { away: "Loki is not here." } })).toMatchObject({
    ...{ note: "Loki is not here.", href: `/lab/api/runs/${runId}/evidence` },
  });
});

test("what a record of an earlier lab links to is replaced, and what nobody keeps is no link", () => {
  const old: EvidenceQuery = { ...inLogql, href: "http://127.0.0.1:20001/loki/api/v1/query_range" };
  expect(linked(old)?.href).toBe(`/lab/api/runs/${runId}/evidence`);
  const gone = linked(old, {}, false);
  expect(gone).not.toHaveProperty("href");
  expect(gone?.note).toContain("newer runs only");
});

test("the LogQL of a check is what Loki understands", () => {
  expect(logqlErrors(inLogql.text)).toEqual([]);
  const broad = { severity: "warn", body: { matches: "a.b" } } as const;
  expect(logqlErrors(logQuery(runId, new Set(), broad))).toEqual([]);
});
