import type { EvidenceQuery } from "../api/checks.ts";
import { routes } from "../api/routes.ts";
import type { RunRecord } from "../api/runs.ts";
import { dataSource } from "../grafana/uids.ts";
import type { Judgement } from "./judgement.ts";
import { exploreUrl, type LinkedRun, type Places, windowOf } from "./links.ts";

type Run = LinkedRun & Pick<RunRecord, "runId">;

/** The same checks, each with the place where the answer to its query can be seen. */
export const withQueryLinks = (judgement: Judgement, run: Run, places: Places = {}): Judgement => ({
  ...judgement,
  checks: judgement.checks.map((check) =>
    check.query === undefined
      ? check
      : { ...check, query: { ...check.query, href: queryLink(check.query, run, places) } },
  ),
});

/** In Grafana where it runs; else with whoever was asked; else on the lab's page, or in what it keeps of the run. */
function queryLink({ language, text, asked }: EvidenceQuery, run: Run, places: Places): string {
  const { grafana, tempo, loki, prometheus } = places;
  const explore = (source: Parameters<typeof exploreUrl>[2], query: object): string | undefined =>
    grafana && exploreUrl(grafana, run, source, query);
  switch (language) {
    case "http":
      return text.replace(/^GET /, "");
    case "traceql":
      if (asked !== "tempo" || tempo === undefined)
        return `/traces?${new URLSearchParams({ q: text })}`;
      return (
        explore(dataSource.tempo, { queryType: "traceql", query: text }) ??
        askUrl(tempo, "/api/search", { q: text, limit: "100" })
      );
    case "logql":
      return (
        explore(dataSource.loki, { queryType: "range", expr: text }) ??
        (loki ? askUrl(loki, "/loki/api/v1/query_range", lokiRange(text, run)) : evidence(run))
      );
    case "promql":
      return (
        explore(dataSource.prometheus, { expr: text }) ??
        (prometheus
          ? askUrl(prometheus, "/api/v1/query_range", seriesOf(text, run))
          : evidence(run))
      );
  }
}

const evidence = ({ runId }: Run): string => routes.evidence(runId);

const askUrl = (base: string, path: string, query: Readonly<Record<string, string>>): string =>
  new URL(`${path}?${new URLSearchParams(query)}`, base).href;

/** In nanoseconds. */
function lokiRange(query: string, run: Run): Readonly<Record<string, string>> {
  const { from, to } = windowOf(run);
  return { query, start: `${from}000000`, ...(to === "now" ? {} : { end: `${to}000000` }) };
}

/** The answer itself, as Debian builds Prometheus without its page. Times are seconds. */
function seriesOf(query: string, run: Run): Readonly<Record<string, string>> {
  const { from, to } = windowOf(run);
  const end = to === "now" ? Date.now() : Number(to);
  return { query, start: String(Number(from) / 1000), end: String(end / 1000), step: "1" };
}
