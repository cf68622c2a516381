import { type DashboardQuery, filledIn } from "./queries.ts";

/** What came of a query that a program was asked. */
export type Judgement =
  | { readonly state: "alive"; readonly series: number }
  | { readonly state: "dead"; readonly why: string }
  /** Nothing here could have made data for it. */
  | { readonly state: "not judged"; readonly why: string };

const stepSeconds = 5;

/** Where queries go. Left out: not there. */
export interface Backends {
  readonly prometheus: string;
  readonly tempo?: string | undefined;
  readonly loki?: string | undefined;
  /** How the names of metrics begin whose program is not there. */
  readonly without: readonly string[];
}

/**
 * Puts a query to the real program. A panel's query is alive when at least one series has a number
 * in the window before `now` (milliseconds since the epoch); one that only reads metrics of programs
 * that are not there is not judged.
 * @param known names of all metrics in Prometheus.
 */
export async function judgeQuery(
  query: DashboardQuery,
  backends: Backends,
  known: ReadonlySet<string>,
  window: { readonly now: number; readonly seconds: number },
): Promise<Judgement> {
  const end = window.now / 1000;
  const range = { start: String(end - window.seconds), end: String(end) };
  const expr = filledIn(query.expr, window.seconds);
  switch (query.language) {
    case "promql":
      return judgePromql(query, expr, backends, known, range);
    case "service map":
      return judgePromql(
        query,
        "sum by (client, server) (traces_service_graph_request_total)",
        backends,
        known,
        range,
      );
    case "traceql": {
      if (backends.tempo === undefined) return notJudged("Tempo is not there");
      const seconds = { start: range.start.split(".")[0] ?? "", end: String(Math.ceil(end)) };
      const { traces = [] } = (await ask(backends.tempo, "/api/search", {
        ...{ q: expr, limit: "5", ...seconds },
      })) as { readonly traces?: readonly unknown[] };
      return traces.length > 0
        ? { state: "alive", series: traces.length }
        : { state: "dead", why: "Tempo finds no trace" };
    }
    case "logql": {
      if (backends.loki === undefined) return notJudged("Loki is not there");
      const nanoseconds = {
        start: `${Math.floor(end - window.seconds)}000000000`,
        end: `${Math.ceil(end)}000000000`,
      };
      const { data } = (await ask(backends.loki, "/loki/api/v1/query_range", {
        ...{ query: expr, limit: "5", ...nanoseconds },
      })) as { readonly data: { readonly result: readonly unknown[] } };
      return data.result.length > 0
        ? { state: "alive", series: data.result.length }
        : { state: "dead", why: "Loki finds no line" };
    }
  }
}

async function judgePromql(
  query: DashboardQuery,
  expr: string,
  { prometheus, without }: Backends,
  known: ReadonlySet<string>,
  range: { readonly start: string; readonly end: string },
): Promise<Judgement> {
  const { metricNames } = await import("./expression.ts");
  const names = metricNames(expr);
  if (!names.some((name) => known.has(name))) {
    const why = `nothing here exposes ${names.join(", ")}`;
    const away = names.every((name) => without.some((beginning) => name.startsWith(beginning)));
    return away ? notJudged(why) : { state: "dead", why };
  }
  // Points are counted from the start: the last of them is now, or what came last would not be seen.
  const points = Math.ceil((Number(range.end) - Number(range.start)) / stepSeconds);
  const start = String(Number(range.end) - points * stepSeconds);
  const asked = { query: expr, start, end: range.end, step: `${stepSeconds}s` };
  const { data } = (await ask(prometheus, "/api/v1/query_range", asked)) as {
    readonly data: { readonly result: readonly { readonly values: readonly [number, string][] }[] };
  };
  const alive = data.result.filter(({ values }) =>
    values.some(([, value]) => Number.isFinite(Number(value))),
  );
  if (alive.length === 0) {
    return { state: "dead", why: data.result.length === 0 ? "no series" : "no finite number" };
  }
  if (query.exemplars && !(await hasExemplars(prometheus, expr, range))) {
    return { state: "dead", why: "no exemplars" };
  }
  return { state: "alive", series: alive.length };
}

async function hasExemplars(
  prometheus: string,
  query: string,
  range: { readonly start: string; readonly end: string },
): Promise<boolean> {
  const { data } = (await ask(prometheus, "/api/v1/query_exemplars", { query, ...range })) as {
    readonly data: readonly { readonly exemplars: readonly { labels: { trace_id?: string } }[] }[];
  };
  return data.some(({ exemplars }) =>
    exemplars.some(({ labels }) => labels.trace_id !== undefined),
  );
}

/** Names of all metrics that a Prometheus knows. */
export async function knownMetrics(prometheus: string): Promise<ReadonlySet<string>> {
  const { data } = (await ask(prometheus, "/api/v1/label/__name__/values", {})) as {
    readonly data: readonly string[];
  };
  return new Set(data);
}

async function ask(
  base: string,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<unknown> {
  const url = new URL(path, base);
  url.search = new URLSearchParams(query).toString();
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(`${url.pathname} answered ${answer.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

const notJudged = (why: string): Judgement => ({ state: "not judged", why });
