import type { EvidenceSource } from "../api/checks.ts";
import type { MetricEvidence, ServiceMetrics } from "../judge/evidence.ts";
import { familyOf, type MetricReading } from "../sources/metrics.ts";

/** Reads the metrics that a run's expectations are about, from its arming to its end. */
export interface MetricWatch {
  readonly by: EvidenceSource;
  readonly evidence: () => MetricEvidence;
  /** Of services with metrics of their own. */
  readonly services?: () => readonly ServiceMetrics[];
  /** False from a reading that failed to the next that works; forever when there is no baseline. */
  readonly reachable: () => boolean;
  /** Takes the reading after the end. Resolves whatever became of it. */
  readonly readAfterEnd: () => Promise<void>;
  readonly close: () => void;
}

/** Between two readings while the run is driven. */
const readEveryMs = 500;
/** Readings kept from in between; the oldest of them go first. */
const duringLimit = 40;

/**
 * Takes the baseline, then reads on while the run lasts: what a counter reached before its process
 * crashed can be known in no other way.
 * @param names of the samples that are looked at; everything else is left out.
 */
export async function watchMetrics(
  read: () => Promise<MetricReading>,
  names: readonly string[] | "all",
): Promise<MetricWatch> {
  let failed = false;
  const take = async (): Promise<MetricReading | null> => {
    try {
      const whole = await read();
      const reading = names === "all" ? whole : onlyOf(whole, names);
      failed = false;
      return reading;
    } catch {
      failed = true;
      return null;
    }
  };
  const baseline = await take();
  const during: MetricReading[] = [];
  let latest: MetricReading | null = null;
  let over = false;
  let reading = false;
  const timer = setInterval(async () => {
    if (reading) return;
    reading = true;
    const taken = await take();
    reading = false;
    if (taken === null || over) return;
    during.push(taken);
    if (during.length > duringLimit) during.shift();
  }, readEveryMs).unref();
  const close = (): void => {
    over = true;
    clearInterval(timer);
  };
  return {
    by: "metrics-endpoint",
    evidence: () => ({ baseline, during: [...during], latest }),
    reachable: () => baseline !== null && !failed,
    readAfterEnd: async () => {
      close();
      latest = (await take()) ?? latest;
    },
    close,
  };
}

/** What tells one process from the next; deltas need it. */
const processStart = "process_start_time_seconds";

/** The families of the wanted names, with all the samples that belong to them. */
function onlyOf(reading: MetricReading, names: readonly string[]): MetricReading {
  const wanted = [...names, processStart].map((name) => familyOf(reading, name)?.name ?? name);
  return {
    ...reading,
    samples: reading.samples.filter(({ name }) =>
      wanted.some((family) => name === family || name.startsWith(`${family}_`)),
    ),
  };
}
