import { LabError } from "#lab/errors.ts";
import {
  type Exposition,
  type Labels,
  type MetricFamily,
  type MetricSample,
  parseExposition,
} from "./openmetrics.ts";

/** Everything one process exposed at one moment. Plain data: it can be stored and read back. */
export interface MetricReading extends Exposition {
  /** Milliseconds since the epoch. */
  readonly readAt: number;
}

export interface ReadOptions {
  readonly now?: () => number;
  readonly timeoutMs?: number;
  /** Largest body that is read. */
  readonly maxBytes?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Reads a `/metrics` address, OpenMetrics preferred because only it carries exemplars.
 * @throws LabError `metrics-unreachable` (no answer in time, or not 200), `metrics-too-large`,
 * `metrics-malformed`.
 */
export async function readMetrics(url: string, options: ReadOptions = {}): Promise<MetricReading> {
  const { now = Date.now, timeoutMs = 2000, maxBytes = 16 * 1024 * 1024 } = options;
  const { text, contentType } = await fetchText(url, timeoutMs, maxBytes, options.headers ?? {});
  const format = contentType.startsWith("application/openmetrics-text")
    ? "openmetrics"
    : "prometheus";
  return { readAt: now(), ...parseExposition(text, format) };
}

async function fetchText(
  url: string,
  timeoutMs: number,
  maxBytes: number,
  headers: Readonly<Record<string, string>>,
): Promise<{ text: string; contentType: string }> {
  const unreachable = (why: string, cause?: unknown): LabError =>
    new LabError("metrics-unreachable", `No metrics from ${url}: ${why}`, {
      cause,
      hint: "Look at the row and log of the service: its metrics port answers as long as it runs.",
    });
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const ask = () =>
      fetch(url, {
        headers: {
          ...headers,
          accept: "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
        },
        signal,
        redirect: "error",
      });
    // A connection kept from before a restart is found dead only by using it: the second try opens one.
    const response = await ask().catch(ask);
    if (response.status !== 200) {
      await response.body?.cancel();
      throw unreachable(`it answered ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) {
        throw new LabError("metrics-too-large", `The metrics of ${url} exceed ${maxBytes} bytes`, {
          hint: "A label with unbounded values is the usual reason: look for the longest family.",
        });
      }
      chunks.push(chunk);
    }
    return {
      text: Buffer.concat(chunks).toString("utf8"),
      contentType: response.headers.get("content-type") ?? "",
    };
  } catch (error) {
    if (error instanceof LabError) throw error;
    throw unreachable(error instanceof Error ? error.message : String(error), error);
  }
}

const suffix = /_(?:total|count|sum|bucket|created|info)$/;

/**
 * The declared family that a sample name belongs to, `undefined` when the process exposes no such
 * metric. A name without `# TYPE` line is its own family as soon as it has a sample.
 */
export function familyOf(reading: MetricReading, name: string): MetricFamily | undefined {
  const base = name.replace(suffix, "");
  const declared =
    reading.families.find((family) => family.name === name) ??
    reading.families.find((family) => family.name === base);
  if (declared) return declared;
  return reading.samples.some((sample) => sample.name === name)
    ? { name, type: "unknown" }
    : undefined;
}

/** True for values that only grow while the process lives: counters and the parts of a histogram. */
export function isCumulative(name: string, family: MetricFamily | undefined): boolean {
  switch (family?.type) {
    case "counter":
      return true;
    case "gauge":
      return false;
    case "histogram":
    case "summary":
      return /_(?:count|sum|bucket)$/.test(name);
    case "unknown":
    case undefined:
      return /_(?:total|count|sum|bucket)$/.test(name);
  }
}

export type LabelFilter = (labels: Labels) => boolean;

const samplesOf = (
  reading: MetricReading,
  name: string,
  filter: LabelFilter,
): readonly MetricSample[] =>
  reading.samples.filter((sample) => sample.name === name && filter(sample.labels));

/** Sum over the series that match; `undefined` while there is none. */
export function totalOf(
  reading: MetricReading,
  name: string,
  filter: LabelFilter = () => true,
): number | undefined {
  const samples = samplesOf(reading, name, filter);
  if (samples.length === 0) return undefined;
  return samples.reduce((sum, { value }) => sum + value, 0);
}

const seriesKey = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/**
 * Change of the sum over the matching series from the first to the last reading. `readings` are of
 * one process address, in order of time; readings in between are only needed to see what was
 * counted before a restart.
 *
 * Cumulative values count from 0 in a process that was started in between
 * (`process_start_time_seconds` differs, or a value fell); a series that is new counts from 0 too.
 */
export function changeOf(
  readings: readonly MetricReading[],
  name: string,
  filter: LabelFilter = () => true,
): number {
  const [first] = readings;
  const last = readings.at(-1);
  if (!first || !last) return 0;
  const family = familyOf(last, name) ?? familyOf(first, name);
  if (!isCumulative(name, family)) {
    return (totalOf(last, name, filter) ?? 0) - (totalOf(first, name, filter) ?? 0);
  }
  let change = 0;
  for (let index = 1; index < readings.length; index++) {
    const [before, after] = [readings[index - 1], readings[index]];
    if (before && after) change += increase(before, after, name, filter);
  }
  return change;
}

function increase(
  before: MetricReading,
  after: MetricReading,
  name: string,
  filter: LabelFilter,
): number {
  const startedBefore = totalOf(before, "process_start_time_seconds");
  const startedAfter = totalOf(after, "process_start_time_seconds");
  const restarted =
    startedBefore !== undefined && startedAfter !== undefined && startedBefore !== startedAfter;
  const old = new Map(
    restarted
      ? []
      : samplesOf(before, name, filter).map(({ labels, value }) => [seriesKey(labels), value]),
  );
  return samplesOf(after, name, filter).reduce((sum, { labels, value }) => {
    const from = old.get(seriesKey(labels)) ?? 0;
    return sum + (value < from ? value : value - from);
  }, 0);
}
