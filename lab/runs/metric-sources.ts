import type { Expectation } from "#scenarios/expectation.ts";
import type { SourceState } from "../judge/evidence.ts";
import type { ServiceId } from "../services/ids.ts";
import { type MetricReading, readMetrics } from "../sources/metrics.ts";
import type { PrometheusSource } from "../sources/prometheus.ts";
import type { MetricSource, System } from "../system.ts";
import { jobOf } from "./metric-jobs.ts";
import { type MetricWatch, watchMetrics } from "./metric-watch.ts";
import { watchScrapes } from "./scraped-metrics.ts";

/** Reads the app's metrics as they are now. @throws as {@link readMetrics}, and where the app has no port yet. */
export async function readAppMetrics(system: Pick<System, "url">): Promise<MetricReading> {
  const base = system.url("server", "metrics");
  if (base === undefined) throw new Error("the server has no metrics port");
  return readMetrics(new URL("/metrics", base).href);
}

/**
 * Watches every metric that the expectations name, each where it is exposed: at the service whose
 * prefix begins its name or an alias of it, else at the app. Undefined where none is named: reading
 * would only cost time.
 * @param prometheus whose word counts, for what it scrapes.
 * @param baseline a reading of the app that was begun just now, for whoever wants the same.
 */
export async function watchRunMetrics(
  system: Pick<System, "metricSources" | "services" | "url">,
  expect: readonly Expectation[],
  prometheus?: PrometheusSource,
  baseline?: Promise<MetricReading>,
): Promise<MetricWatch | undefined> {
  const named = expect.flatMap(namesOf);
  const wholly = expect.some(readsAll);
  if (named.length === 0 && !wholly) return undefined;
  const sources = system.metricSources();
  const bySource = Map.groupBy(named, (names) => sources.find((one) => exposes(one, names)));
  const appNames = wholly ? "all" : bySource.get(undefined)?.flat();
  const watch = watching(prometheus);
  let given = baseline;
  const readApp = (): Promise<MetricReading> => {
    const reading = given ?? readAppMetrics(system);
    given = undefined;
    return reading;
  };
  const app = appNames && watch("server", appNames, readApp);
  const services = sources.flatMap((source) => {
    const names = bySource.get(source)?.flat();
    return names === undefined ? [] : [watchService(system, source, names, watch)];
  });
  const [own, ...others] = await Promise.all([app, ...services]);
  const watches = [...(own ? [own] : []), ...others.flatMap(({ watch }) => watch ?? [])];
  return {
    by: own?.by ?? "metrics-endpoint",
    evidence: () => own?.evidence() ?? nothingRead,
    reachable: () => own?.reachable() ?? true,
    services: () =>
      others.map(({ source, watch }) => ({
        ...{ service: source.service, prefixes: source.prefixes, state: stateOf(watch) },
        ...(watch === undefined ? nothingRead : { by: watch.by, ...watch.evidence() }),
      })),
    readAfterEnd: async () => {
      await Promise.all(watches.map((watch) => watch.readAfterEnd()));
    },
    close: () => {
      for (const watch of watches) watch.close();
    },
  };
}

type Watch = (
  service: ServiceId,
  names: readonly string[] | "all",
  read: () => Promise<MetricReading>,
) => Promise<MetricWatch>;

/** By what Prometheus scrapes; read where it is exposed, when there is none or it does not scrape that. */
const watching =
  (prometheus: PrometheusSource | undefined): Watch =>
  async (service, names, read) => {
    const job = jobOf(service);
    // One that does not answer is asked on: its word is missing, nobody else's counts instead.
    const scraped = prometheus && (await prometheus.knows(job).catch(() => true));
    return prometheus && scraped ? watchScrapes(prometheus, job, names) : watchMetrics(read, names);
  };

const nothingRead = { baseline: null, during: [], latest: null };

/** The names that one expectation may go by: those of one metric, once per metric it speaks of. */
function namesOf(expectation: Expectation): readonly (readonly string[])[] {
  switch (expectation.signal) {
    case "metric":
      return [[expectation.name, ...(expectation.aliases ?? [])]];
    case "agree":
      return expectation.of.flatMap((quantity) =>
        "metric" in quantity ? [[quantity.metric.name, ...(quantity.metric.aliases ?? [])]] : [],
      );
    case "span":
    case "order":
    case "trace":
    case "log":
    case "sentry":
    case "answer":
    case "page":
    case "component":
    case "secrets":
    case "check":
      return [];
  }
}

/** Looks at every metric of the app, whatever its name. */
const readsAll = (expectation: Expectation): boolean =>
  expectation.signal === "secrets" ||
  (expectation.signal === "check" && (expectation.reads?.includes("metrics") ?? false));

const exposes = ({ prefixes }: MetricSource, names: readonly string[]): boolean =>
  names.some((name) => prefixes.some((prefix) => name.startsWith(prefix)));

/** Nobody is watched where the service is not part of this lab, or could not be had. */
async function watchService(
  system: Pick<System, "metricSources" | "services">,
  source: MetricSource,
  names: readonly string[],
  watch: Watch,
): Promise<{ readonly source: MetricSource; readonly watch: MetricWatch | undefined }> {
  const row = system.services().find(({ id }) => id === source.service);
  if (row === undefined || row.state === "unavailable") return { source, watch: undefined };
  const read = async (): Promise<MetricReading> => {
    // A service that was restarted may have another port.
    const now = system.metricSources().find(({ service }) => service === source.service);
    if (now?.url === undefined) throw new Error(`${source.service} has no metrics port`);
    return readMetrics(now.url, { headers: now.headers });
  };
  return { source, watch: await watch(source.service, names, read) };
}

const stateOf = (watch: MetricWatch | undefined): SourceState =>
  watch === undefined ? "absent" : watch.reachable() ? "ok" : "unreachable";
