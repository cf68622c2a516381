import { routes } from "../api/routes.ts";
import type { RunRecord } from "../api/runs.ts";
import {
  type DashboardUid,
  type DataSource,
  dashboardTitle,
  dashboardUid,
  dataSource,
} from "../grafana/uids.ts";
import type { Place, Places } from "./places.ts";

export type LinkedRun = Pick<RunRecord, "scenario" | "startedAt" | "endedAt" | "traceIds">;
type Links = RunRecord["links"];

/** What is shown before and after a run, in milliseconds: scrapes are seconds apart. */
const marginMs = 30_000;

/** Where else the run's telemetry can be looked at. */
export const linksOf = (run: LinkedRun, places: Places = {}): Links => [
  ...run.traceIds.map((traceId, index) => ({
    label: index === 0 ? "Raw trace (OTLP JSON)" : `Raw trace ${index + 1} (OTLP JSON)`,
    href: routes.trace(traceId),
  })),
  ...tempoLinks(run, places.tempo),
  ...grafanaLinks(run, places),
  ...(places.sentryOrg === undefined ? [] : sentryLinks(run, places.sentryOrg)),
];

const tempoLinks = ({ traceIds }: LinkedRun, tempo: Place | undefined): Links =>
  traceIds.slice(0, 1).flatMap((traceId) =>
    shownBy(tempo, "Trace in Tempo (JSON)", (base) => [
      {
        label: "Trace in Tempo (JSON)",
        href: new URL(`/api/v2/traces/${traceId}`, base).href,
      },
    ]),
  );

/** The links that `links` makes of a place's address; told as one where it has nothing to show now. */
function shownBy(place: Place | undefined, label: string, links: (base: string) => Links): Links {
  if (place === undefined) return [];
  return "at" in place ? links(place.at) : [{ label, href: null, why: place.away }];
}

function grafanaLinks(run: LinkedRun, { grafana, tempo, loki, prometheus }: Places): Links {
  const [traceId] = run.traceIds;
  const dashboards = new Set<DashboardUid>([dashboardUid.overview, dashboardOf(run.scenario)]);
  return shownBy(grafana, "Grafana", (base) => [
    ...(traceId === undefined
      ? []
      : [
          ...shownBy(tempo, "Trace in Grafana", () => [
            {
              label: "Trace in Grafana",
              href: exploreUrl(base, run, dataSource.tempo, {
                ...{ queryType: "traceql", query: traceId },
              }),
            },
          ]),
          ...shownBy(loki, "Logs in Grafana", () => [
            {
              label: "Logs in Grafana",
              href: exploreUrl(base, run, dataSource.loki, {
                queryType: "range",
                expr: `{service_name=~".+"} | trace_id = "${traceId}"`,
              }),
            },
          ]),
        ]),
    ...shownBy(prometheus, "Dashboards in Grafana", () =>
      [...dashboards].map((uid) => ({
        label: `${dashboardTitle[uid]} in Grafana`,
        href: dashboardUrl(base, run, uid),
      })),
    ),
  ]);
}

/** The dashboard of what a scenario is about, by the group its id begins with. */
function dashboardOf(scenario: string): DashboardUid {
  switch (scenario.split(".")[0]) {
    case "db":
      return dashboardUid.postgres;
    case "cache":
    case "auth":
      return dashboardUid.valkey;
    case "s3":
      return dashboardUid.objectStorage;
    case "pipe":
      return dashboardUid.pipeline;
    case "ui":
      return dashboardUid.frontend;
    default:
      return dashboardUid.overview;
  }
}

/** The window around the run, in milliseconds; it ends now as long as the run goes on. */
export const windowOf = ({ startedAt, endedAt }: LinkedRun): { from: string; to: string } => ({
  from: String(startedAt - marginMs),
  to: endedAt === null ? "now" : String(endedAt + marginMs),
});

function dashboardUrl(base: string, run: LinkedRun, uid: DashboardUid): string {
  const url = new URL(`/d/${uid}`, base);
  url.search = new URLSearchParams({ ...windowOf(run), orgId: "1" }).toString();
  return url.href;
}

/** https://grafana.com/docs/grafana/latest/explore/get-started-with-explore/#generate-explore-urls-from-external-tools */
export function exploreUrl(
  base: string,
  run: LinkedRun,
  source: DataSource,
  query: object,
): string {
  const queries = [{ refId: "A", datasource: source, ...query }];
  const panes = { lab: { datasource: source.uid, queries, range: windowOf(run) } };
  const url = new URL("/explore", base);
  url.search = new URLSearchParams({
    ...{ schemaVersion: "1", orgId: "1" },
    panes: JSON.stringify(panes),
  }).toString();
  return url.href;
}

function sentryLinks({ traceIds: [traceId] }: LinkedRun, organisation: string): Links {
  if (traceId === undefined || !URL.canParse(organisation)) return [];
  const base = organisation.endsWith("/") ? organisation : `${organisation}/`;
  const issues = new URL("issues/", base);
  issues.searchParams.set("query", `trace:${traceId}`);
  return [
    { label: "Issues in Sentry", href: issues.href },
    { label: "Trace in Sentry", href: new URL(`explore/traces/trace/${traceId}/`, base).href },
  ];
}
