import type { Check, EvidenceQuery } from "../api/checks.ts";
import { routes } from "../api/routes.ts";
import type { RunRecord } from "../api/runs.ts";
import { dataSource } from "../grafana/uids.ts";
import { exploreUrl, type LinkedRun, windowOf } from "./links.ts";
import type { Place, Places } from "./places.ts";

type Run = LinkedRun & Pick<RunRecord, "runId">;
type Answer = Pick<EvidenceQuery, "href" | "note">;

/**
 * The same checks, each with the place where the answer to its query can be seen.
 * @param isEvidenceKept asked where nobody else has the answer.
 */
export function withQueryLinks(
  checks: readonly Check[],
  run: Run,
  places: Places,
  isEvidenceKept: () => boolean,
): readonly Check[] {
  return checks.map((check) => {
    if (check.query === undefined) return check;
    const { language, text, asked } = check.query;
    const query = { language, text, ...(asked === undefined ? {} : { asked }) };
    return { ...check, query: { ...query, ...answerOf(query, run, places, isEvidenceKept) } };
  });
}

/** In Grafana where it runs; else with whoever was asked; else on the lab's page, or in what it keeps of the run. */
function answerOf(
  { language, text, asked }: EvidenceQuery,
  run: Run,
  { grafana, tempo, loki, prometheus }: Places,
  isEvidenceKept: () => boolean,
): Answer {
  const inGrafana = (
    source: Parameters<typeof exploreUrl>[2],
    query: object,
  ): string | undefined =>
    grafana !== undefined && "at" in grafana
      ? exploreUrl(grafana.at, run, source, query)
      : undefined;
  const fromEvidence = (): Answer =>
    isEvidenceKept()
      ? { href: routes.evidence(run.runId) }
      : { note: "The lab keeps the evidence of newer runs only." };
  switch (language) {
    case "http":
      return { href: text.replace(/^GET /, "") };
    case "traceql": {
      const onPage = (): Answer => ({ href: `/traces?${new URLSearchParams({ q: text })}` });
      if (asked !== "tempo") return onPage();
      return from(tempo, onPage, (base) => ({
        href:
          inGrafana(dataSource.tempo, { queryType: "traceql", query: text }) ??
          askUrl(base, "/api/search", { q: text, limit: "100" }),
      }));
    }
    case "logql":
      return from(loki, fromEvidence, (base) => ({
        href:
          inGrafana(dataSource.loki, { queryType: "range", expr: text }) ??
          askUrl(base, "/loki/api/v1/query_range", lokiRange(text, run)),
      }));
    case "promql":
      return from(prometheus, fromEvidence, (base) => ({
        href:
          inGrafana(dataSource.prometheus, { expr: text }) ??
          askUrl(base, "/api/v1/query_range", seriesOf(text, run)),
      }));
  }
}

function from(
  place: Place | undefined,
  instead: () => Answer,
  there: (base: string) => Answer,
): Answer {
  if (place === undefined) return instead();
  return "at" in place ? there(place.at) : { note: place.away, ...instead() };
}

const askUrl = (base: string, path: string, query: Readonly<Record<string, string>>): string =>
  new URL(`${path}?${new URLSearchParams(query)}`, base).href;

/** In nanoseconds. */
function lokiRange(query: string, run: Run): Readonly<Record<string, string>> {
  const { from: start, to } = windowOf(run);
  return {
    ...{ query, start: `${start}000000` },
    ...(to === "now" ? {} : { end: `${to}000000` }),
  };
}

/** The answer itself, as Debian builds Prometheus without its page. Times are seconds. */
function seriesOf(query: string, run: Run): Readonly<Record<string, string>> {
  const { from: start, to } = windowOf(run);
  const end = to === "now" ? Date.now() : Number(to);
  return { query, start: String(Number(start) / 1000), end: String(end / 1000), step: "1" };
}
