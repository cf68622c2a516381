import { LabError } from "../errors.ts";
import { readJson } from "./http-json.ts";
import type { MetricReading } from "./metrics.ts";
import type { Exemplar, Labels, MetricFamily, MetricSample } from "./openmetrics.ts";

/** Read side of Prometheus. Rejects with a `LabError` `prometheus-unreachable` while it is away. */
export interface PrometheusSource {
  /** When the last scrape of a job that worked began, in milliseconds since the epoch; undefined where there was none of late. */
  readonly lastScrape: (job: string) => Promise<number | undefined>;
  /** Has the job been scraped of late, whether or not that worked? */
  readonly knows: (job: string) => Promise<boolean>;
  /**
   * One reading per scrape of a job from `since` on, milliseconds since the epoch, in order of time:
   * every sample as it was scraped, with exemplars.
   * @param names of the wanted metrics, suffixed or not.
   */
  readonly readings: (
    job: string,
    names: readonly string[] | "all",
    since: number,
  ) => Promise<readonly MetricReading[]>;
}

/** How far back a scrape counts as being of late. */
const recentSeconds = 60;

/**
 * https://prometheus.io/docs/prometheus/latest/querying/api/
 * @param base where its API is; asked on every call, since a restart may move it.
 */
export function openPrometheusSource(base: () => string | undefined): PrometheusSource {
  async function read<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    try {
      const url = new URL(`/api/v1/${path}?${new URLSearchParams(parameters)}`, base());
      const answer = await readJson<{ readonly data: T }>(url);
      if (answer === undefined) throw new Error("answered 404");
      return answer.data;
    } catch (cause) {
      throw new LabError("prometheus-unreachable", "Prometheus does not answer.", {
        cause,
        hint: "See its row on the Services page, and its log: npm run lab -- logs prometheus",
      });
    }
  }

  /** Raw samples, where an instant or a rate would make some up or leave some out. */
  const rawSeries = async (selector: string, seconds: number): Promise<readonly Series[]> =>
    (
      await read<{ readonly result: readonly Series[] }>("query", {
        query: `${selector}[${seconds}s]`,
      })
    ).result;

  const scrapes = async (job: string): Promise<readonly (readonly [number, string])[]> =>
    (await rawSeries(`up{job=${JSON.stringify(job)}}`, recentSeconds)).flatMap(
      ({ values }) => values,
    );

  async function familiesOf(job: string): Promise<readonly MetricFamily[]> {
    const found = await read<readonly Metadata[]>("targets/metadata", {
      match_target: `{job=${JSON.stringify(job)}}`,
    });
    return found.map(({ metric, type }) => ({ name: metric, type: typeOf(type) }));
  }

  return {
    lastScrape: async (job) => {
      const good = (await scrapes(job)).filter(([, value]) => value === "1");
      return good.length === 0 ? undefined : Math.max(...good.map(([at]) => milliseconds(at)));
    },
    knows: async (job) => (await scrapes(job)).length > 0,
    readings: async (job, names, since) => {
      const selector = selectorOf(job, names);
      // Its own scrape counts too, whose time it may have moved by some milliseconds.
      const seconds = Math.ceil((Date.now() - since) / 1000) + 1;
      const [series, families, exemplars] = await Promise.all([
        rawSeries(selector, seconds),
        familiesOf(job),
        read<readonly ExemplarSeries[]>("query_exemplars", {
          query: selector,
          start: String(since / 1000),
          end: String(Date.now() / 1000 + 1),
        }),
      ]);
      return readingsOf(series, families, exemplars, since);
    },
  };
}

interface Series {
  readonly metric: Labels;
  /** Seconds since the epoch, and the value. */
  readonly values: readonly (readonly [number, string])[];
}
interface Metadata {
  readonly metric: string;
  readonly type: string;
}
interface ExemplarSeries {
  readonly seriesLabels: Labels;
  readonly exemplars: readonly {
    readonly labels: Labels;
    readonly value: string;
    readonly timestamp: number;
  }[];
}

const milliseconds = (seconds: number): number => Math.round(seconds * 1000);

const suffixes = "(?:_total|_count|_sum|_bucket|_created|_info)?";
const suffix = /_(?:total|count|sum|bucket|created|info)$/;

/** Selects the families of the names as the job exposes them, and what tells one process from the next. */
export function selectorOf(job: string, names: readonly string[] | "all"): string {
  const matcher = `job=${JSON.stringify(job)}`;
  if (names === "all") return `{${matcher}}`;
  const bases = [...new Set(names.map((name) => name.replace(suffix, "")))];
  return `{${matcher},__name__=~"process_start_time_seconds|(?:${bases.join("|")})${suffixes}"}`;
}

/** All samples of one scrape have one time, and no other scrape of the job has it. */
function readingsOf(
  series: readonly Series[],
  families: readonly MetricFamily[],
  exemplars: readonly ExemplarSeries[],
  since: number,
): readonly MetricReading[] {
  const times = new Set<number>();
  for (const { values } of series) for (const [at] of values) times.add(milliseconds(at));
  const scraped = [...times].filter((at) => at >= since).sort((a, b) => a - b);
  const samples = new Map<number, MetricSample[]>(scraped.map((at) => [at, []]));
  const firstSeen = exemplarsByScrape(exemplars, scraped);
  for (const { metric, values } of series) {
    const key = keyOf(metric);
    const { __name__: name = "", job: _job, instance: _instance, ...labels } = metric;
    for (const [at, text] of values) {
      const value = Number(text);
      const time = milliseconds(at);
      if (!Number.isFinite(value)) continue;
      const exemplar = firstSeen.get(time)?.get(key);
      samples.get(time)?.push({ name, labels, value, ...(exemplar ? { exemplar } : {}) });
    }
  }
  return scraped.map((readAt) => ({ readAt, families, samples: samples.get(readAt) ?? [] }));
}

/** A series shows one exemplar at a time: each belongs to the first scrape that can have seen it. */
function exemplarsByScrape(
  found: readonly ExemplarSeries[],
  scraped: readonly number[],
): ReadonlyMap<number, ReadonlyMap<string, Exemplar>> {
  const byScrape = new Map<number, Map<string, Exemplar>>(scraped.map((at) => [at, new Map()]));
  for (const { seriesLabels, exemplars } of found) {
    for (const { labels, value, timestamp } of exemplars) {
      const at = scraped.find((time) => time >= milliseconds(timestamp)) ?? scraped.at(-1);
      if (at === undefined) continue;
      byScrape.get(at)?.set(keyOf(seriesLabels), { labels, value: Number(value) });
    }
  }
  return byScrape;
}

const keyOf = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

function typeOf(type: string): MetricFamily["type"] {
  switch (type) {
    case "counter":
    case "gauge":
    case "histogram":
    case "summary":
      return type;
    default:
      return "unknown";
  }
}
