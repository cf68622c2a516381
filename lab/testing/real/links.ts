import { routes } from "#lab/api/routes.ts";
import type { RunRecord, RunsBody } from "#lab/api/runs.ts";
import type { StatusBody } from "#lab/api/services.ts";
import { dashboardFiles } from "#lab/grafana/dashboard-files.ts";
import { dataSource } from "#lab/grafana/uids.ts";
import { linksOf } from "#lab/runs/links.ts";
import type { Place } from "#lab/runs/places.ts";
import type { Comparison } from "./backends.ts";
import { lastingDifferences } from "./lasting.ts";

/** A pane of Explore, as the lab's links to Grafana have it. */
interface Pane {
  readonly datasource: string;
  readonly queries: readonly { readonly query?: string; readonly expr?: string }[];
  readonly range: { readonly from: string; readonly to: string };
}

/** Base URLs of the programs behind the links, and of Grafana where it is part of the lab. */
type Places = Readonly<Record<"tempo" | "loki" | "prometheus" | "grafana", string | undefined>>;

/**
 * Follows every link of a running lab's runs and of their checks. Those to Grafana are followed
 * without it: their query is put to the data source, and their dashboard looked for.
 */
export async function followLinks(origin: string): Promise<Comparison> {
  const { services } = await read<StatusBody>(new URL(routes.status, origin));
  const at = (id: keyof Places): string | undefined =>
    services.find((row) => row.id === id && row.kind === "real" && row.state === "ready")?.url ??
    undefined;
  const places: Places = {
    ...{ tempo: at("tempo"), loki: at("loki"), prometheus: at("prometheus") },
    grafana: at("grafana"),
  };
  const { runs } = await read<RunsBody>(new URL(`${routes.runs}?limit=500`, origin));
  const hrefs = new Set(runs.flatMap((run) => hrefsOf(run, origin)));
  const differences = await lastingDifferences([...hrefs], async (href) => {
    const problem = await follow(new URL(href), places).catch(String);
    return problem && `${href.slice(0, 200)}: ${problem}`;
  });
  return { claim: "Every link of a run leads somewhere", compared: hrefs.size, differences };
}

/** Stands for a Grafana, which no name of this domain is (RFC 6761). */
const grafana = "http://grafana.invalid";
const there: Place = { at: grafana };
/** Whatever a Grafana could show. */
const asInGrafana = { grafana: there, tempo: there, loki: there, prometheus: there };

/** Without Sentry's, which are on somebody else's machine. */
const hrefsOf = (run: RunRecord, origin: string): readonly string[] =>
  [
    ...run.links.map(({ href }) => href),
    ...linksOf(run, asInGrafana).flatMap(({ label, href }) =>
      label.endsWith("in Grafana") ? [href] : [],
    ),
    ...run.checks.flatMap(({ query }) => query?.href ?? []),
  ]
    .filter((href) => href !== null)
    .map((href) => new URL(href, origin).href)
    .filter((href) => /^(localhost|127\.0\.0\.1|grafana\.invalid)$/.test(new URL(href).hostname));

/** @returns what is wrong with the place it leads to; undefined when nothing is. */
async function follow(url: URL, places: Places): Promise<string | undefined> {
  if (url.origin !== grafana && url.port !== portOf(places.grafana)) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(limitMs) });
    const text = await answer.text();
    if (answer.status === 200 || isNewerTraceql(url, text)) return undefined;
    if (answer.status === 404 && (await isNowhere(url, places.tempo))) return undefined;
    return `answered with ${answer.status}`;
  }
  if (url.pathname === "/explore") {
    const panes = JSON.parse(url.searchParams.get("panes") ?? "{}") as Record<string, Pane>;
    for (const pane of Object.values(panes)) {
      const problem = await explore(pane, places);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const uid = /^\/d\/([\w-]+)$/.exec(url.pathname)?.[1];
  const known = dashboardFiles().some((dashboard) => dashboard.uid === uid);
  return known ? undefined : "there is no such dashboard";
}

/** Never that of a link where there is no such program. */
const portOf = (base: string | undefined): string =>
  base === undefined ? "none" : new URL(base).port;

/** A trace that sampling dropped is one of the run, and kept by nobody. */
async function isNowhere({ pathname }: URL, tempo: string | undefined): Promise<boolean> {
  const traceId = /^\/lab\/api\/traces\/([0-9a-f]{32})$/.exec(pathname)?.[1];
  if (traceId === undefined || tempo === undefined) return false;
  const answer = await fetch(new URL(`/api/v2/traces/${traceId}`, tempo), {
    signal: AbortSignal.timeout(limitMs),
  });
  // Some versions answer with an empty trace.
  return answer.status === 404 || !(await answer.text()).includes('"spanId"');
}

/** Tempo 2 knows `!= nil` only; 3 and the store also ask for what is not there. */
const isNewerTraceql = (url: URL, answer: string): boolean =>
  /[^!]= nil/.test(url.searchParams.get("q") ?? "") && /syntax error/.test(answer);

/** That a query is understood is what counts: what it looks for need not be there, as many checks want. */
async function explore(
  { datasource, queries, range }: Pane,
  { tempo, loki, prometheus }: Places,
): Promise<string | undefined> {
  const [{ query = "", expr = "" } = {}] = queries;
  const end = range.to === "now" ? Date.now() : Number(range.to);
  const seconds = {
    start: `${Math.floor(Number(range.from) / 1000)}`,
    end: `${Math.ceil(end / 1000)}`,
  };
  if (datasource === dataSource.tempo.uid && tempo !== undefined) {
    if (!/^[0-9a-f]{32}$/.test(query)) {
      const url = withQuery(new URL("/api/search", tempo), { q: query, limit: "1", ...seconds });
      const answer = await fetch(url, { signal: AbortSignal.timeout(limitMs) });
      const text = await answer.text();
      return answer.status === 200 || isNewerTraceql(url, text)
        ? undefined
        : `Tempo answers ${answer.status}: ${text.slice(0, 100)}`;
    }
    // What the data source asks for a query that is an id.
    const { trace } = await read<{
      readonly trace?: { readonly resourceSpans?: readonly object[] };
    }>(new URL(`/api/v2/traces/${query}`, tempo));
    return (trace?.resourceSpans?.length ?? 0) > 0 ? undefined : "Tempo has no span of it";
  }
  if (datasource === dataSource.loki.uid && loki !== undefined) {
    const window = { start: `${range.from}000000`, end: `${end}000000` };
    await read(withQuery(new URL("/loki/api/v1/query_range", loki), { query: expr, ...window }));
  }
  if (datasource === dataSource.prometheus.uid && prometheus !== undefined) {
    const window = { ...seconds, step: "15" };
    await read(withQuery(new URL("/api/v1/query_range", prometheus), { query: expr, ...window }));
  }
  return undefined;
}

function withQuery(url: URL, query: Readonly<Record<string, string>>): URL {
  url.search = new URLSearchParams(query).toString();
  return url;
}

const limitMs = 10_000;

async function read<T>(url: URL): Promise<T> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(limitMs) });
  if (answer.status !== 200) throw new Error(`${url.pathname} was answered with ${answer.status}`);
  return (await answer.json()) as T;
}
