import type { LogRecord } from "#lab/api/logs.ts";
import type { SentryItem } from "#lab/api/sentry.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { attribute, traceService } from "#scenarios/names.ts";
import { spansOf, withMetrics } from "./edits.ts";
import type { Mutant } from "./mutant.ts";
import { spanMutants } from "./span-mutants.ts";

const keyOf = (sample: { readonly name: string; readonly labels: object }): string =>
  JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);

/** Tells one process from the next, so it is no measurement. */
const isProcess = (name: string): boolean => name.startsWith("process_start_time");

/** Every counter moves twice as far as it did. */
const doubleMetric = (evidence: Evidence): Evidence | undefined =>
  withMetrics(evidence, ({ baseline, latest }) => {
    const before = new Map(baseline.samples.map((sample) => [keyOf(sample), sample.value]));
    const moved = ({ value, ...series }: (typeof latest.samples)[number]): number =>
      value - (before.get(keyOf(series)) ?? 0);
    if (!latest.samples.some((one) => moved(one) !== 0 && !isProcess(one.name))) return undefined;
    const samples = latest.samples.map((sample) =>
      isProcess(sample.name) ? sample : { ...sample, value: sample.value + moved(sample) },
    );
    return { baseline, during: [], latest: { ...latest, samples } };
  });

/** Far outside of what anything is measured in here. */
const wayUp = 1e12;
const raiseMetrics = (evidence: Evidence): Evidence | undefined =>
  withMetrics(evidence, ({ baseline, latest }) => ({
    baseline,
    during: [],
    latest: {
      ...latest,
      samples: latest.samples.map((sample) =>
        isProcess(sample.name) ? sample : { ...sample, value: sample.value + wayUp },
      ),
    },
  }));

const stillMetrics = (evidence: Evidence): Evidence | undefined =>
  withMetrics(evidence, ({ baseline, latest }) => ({
    baseline,
    during: [],
    latest: { ...baseline, readAt: latest.readAt },
  }));

const dropExemplars = (evidence: Evidence): Evidence | undefined =>
  withMetrics(evidence, ({ baseline, during, latest }) => {
    const readings = [...during, latest];
    if (!readings.some(({ samples }) => samples.some(({ exemplar }) => exemplar))) return undefined;
    const bare = (reading: typeof latest): typeof latest => ({
      ...reading,
      samples: reading.samples.map(({ exemplar, ...sample }) => sample),
    });
    return { baseline, during: during.map(bare), latest: bare(latest) };
  });

/** Larger than any that the store gives. */
const straySeq = Number.MAX_SAFE_INTEGER;

/** Where something stray can pretend to come from: a span of the app, else any. */
function placeOf(evidence: Evidence): { traceId: string; spanId: string } | undefined {
  const spans = spansOf(evidence);
  const { span } = spans.find(({ service }) => service === traceService.server) ?? spans[0] ?? {};
  return span && { traceId: span.traceId, spanId: span.spanId };
}

const strayLog = (body: string, attributes: LogRecord["attributes"]) => (evidence: Evidence) => {
  const place = placeOf(evidence);
  if (place === undefined) return undefined;
  const line: LogRecord = {
    ...{ seq: straySeq, timeUnixNano: "0", severity: "error", body, attributes, ...place },
    service: traceService.server,
  };
  return { ...evidence, logs: [...evidence.logs, line] };
};

/** Each is an error that nobody handled, as the SDKs of the app and of the page send it. */
function straySentry(evidence: Evidence): Evidence | undefined {
  const place = placeOf(evidence);
  if (place === undefined) return undefined;
  const events = [traceService.server, traceService.web].flatMap((service, position) =>
    [true, false].map(
      (handled): SentryItem => ({
        ...{
          seq: straySeq - 2 * position - Number(handled),
          kind: "event",
          receivedAt: 0,
          ...place,
        },
        ...{ origin: "sdk", level: handled ? "error" : "fatal", title: "Error: stray" },
        payload: {
          level: handled ? "error" : "fatal",
          server_name: service,
          tags: { "service.name": service, [attribute.runId]: evidence.runId },
          exception: {
            values: [{ type: "Error", value: "stray", mechanism: { type: "generic", handled } }],
          },
        },
      }),
    ),
  );
  return { ...evidence, sentry: [...evidence.sentry, ...events] };
}

const twice = <T extends { readonly seq: number }>(items: readonly T[]): readonly T[] =>
  items.flatMap((item) => [item, { ...item, seq: straySeq - item.seq }]);

const components = ["server", "postgres", "valkey", "minio", "keycloak", "store"];

/** What a run says of itself, besides its telemetry. */
const recordMutants: readonly Mutant[] = [
  {
    id: "no-answer",
    title: "the answer never comes",
    apply: (evidence) =>
      evidence.answer === null
        ? undefined
        : { ...evidence, answer: { status: 0, durationMs: 600_000 } },
  },
  {
    id: "blank-answer",
    title: "the answer is 204, at once",
    apply: (evidence) =>
      evidence.answer === null
        ? undefined
        : { ...evidence, answer: { status: 204, durationMs: 0 } },
  },
  {
    id: "silent-page",
    title: "the page reports nothing",
    apply: (evidence) =>
      Object.keys(evidence.page).length > 0 ? { ...evidence, page: {} } : undefined,
  },
  {
    id: "stray-restarts",
    title: "every service crashes once more",
    apply: (evidence) => ({
      ...evidence,
      restarts: Object.fromEntries(components.map((id) => [id, (evidence.restarts[id] ?? 0) + 1])),
      exitCodes: Object.fromEntries(
        components.map((id) => [id, [...(evidence.exitCodes[id] ?? []), 99]]),
      ),
    }),
  },
  {
    id: "no-restarts",
    title: "nobody sees a service crash",
    apply: (evidence) =>
      Object.keys({ ...evidence.restarts, ...evidence.exitCodes }).length > 0
        ? { ...evidence, restarts: {}, exitCodes: {} }
        : undefined,
  },
];

/** Signal by signal. */
export const mutants: readonly Mutant[] = [
  ...spanMutants,
  { id: "double-metric", title: "metrics move twice as far", apply: doubleMetric },
  { id: "raise-metrics", title: "every metric goes up and stays there", apply: raiseMetrics },
  { id: "still-metrics", title: "no metric moves", apply: stillMetrics },
  { id: "drop-exemplars", title: "no exemplar leads to a trace", apply: dropExemplars },
  {
    id: "uncorrelated-logs",
    title: "log lines carry no trace id",
    apply: (evidence) =>
      evidence.logs.some(({ traceId }) => traceId !== null)
        ? {
            ...evidence,
            logs: evidence.logs.map((line) => ({ ...line, traceId: null, spanId: null })),
          }
        : undefined,
  },
  {
    id: "lose-logs",
    title: "no log line arrives",
    apply: (evidence) => (evidence.logs.length > 0 ? { ...evidence, logs: [] } : undefined),
  },
  {
    id: "double-logs",
    title: "every log line is written twice",
    apply: (evidence) =>
      evidence.logs.length > 0 ? { ...evidence, logs: twice(evidence.logs) } : undefined,
  },
  {
    id: "all-errors",
    title: "every log line is an error",
    apply: (evidence) =>
      evidence.logs.some(({ severity }) => severity !== "error")
        ? { ...evidence, logs: evidence.logs.map((line) => ({ ...line, severity: "error" })) }
        : undefined,
  },
  {
    id: "stray-log",
    title: "one more error is logged",
    apply: strayLog("stray", {}),
  },
  {
    id: "leak-secret",
    title: "a log line holds a bearer token",
    apply: strayLog("asking again", { authorization: `Bearer ${"s3cr3t".repeat(6)}` }),
  },
  {
    id: "silent-sentry",
    title: "Sentry hears of nothing",
    apply: (evidence) => (evidence.sentry.length > 0 ? { ...evidence, sentry: [] } : undefined),
  },
  {
    id: "double-sentry",
    title: "Sentry hears of everything twice",
    apply: (evidence) =>
      evidence.sentry.length > 0 ? { ...evidence, sentry: twice(evidence.sentry) } : undefined,
  },
  { id: "stray-sentry", title: "Sentry hears of errors that nobody expects", apply: straySentry },
  ...recordMutants,
];

/**
 * What another run left, as if it had carried this run's id: everything that is expected to be
 * absent is there, if any run of the catalogue leaves it at all.
 */
export function mingle(evidence: Evidence, other: Evidence): Evidence {
  const renamed = JSON.parse(
    JSON.stringify(other).replaceAll(other.runId, evidence.runId),
  ) as Evidence;
  return {
    ...evidence,
    traceIds: [...evidence.traceIds, ...renamed.traceIds],
    traces: [...evidence.traces, ...renamed.traces],
    logs: [...evidence.logs, ...renamed.logs],
    sentry: [...evidence.sentry, ...renamed.sentry],
    page: { ...evidence.page, ...renamed.page },
  };
}
