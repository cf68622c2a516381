import type { Lease } from "#scenarios/define.ts";
import { metric } from "#scenarios/names.ts";
import type { Check } from "../api/checks.ts";
import type { ServiceId } from "../services/ids.ts";
import { type MetricReading, totalOf } from "../sources/metrics.ts";
import type { System, SystemFact } from "../system.ts";

/** What a run has to leave as it found it, at one moment. */
export type Snapshot = readonly SystemFact[];

/**
 * Looks at everything that a scenario may have left behind: the system's own facts, which services
 * are ready, what stands still or is broken, and the app's connections in use.
 * @param readMetrics reads the app's metrics.
 */
export async function takeSnapshot(
  system: Pick<System, "armed" | "facts" | "paused" | "services">,
  readMetrics: () => Promise<MetricReading>,
): Promise<Snapshot> {
  const [facts, reading] = await Promise.all([
    system.facts().catch(() => []),
    readMetrics().catch(() => undefined),
  ]);
  const broken = system.armed().map(({ target, toxic }) => `${toxic.kind} on ${target}`);
  return [
    ...facts,
    { what: "broken connections", of: null, values: broken },
    { what: "services that stand still", of: null, values: system.paused() },
    ...system
      .services()
      .filter(({ state }) => state === "ready")
      .map(({ id }) => ({ what: `state of ${id}`, of: leaseOf(id), values: ["ready"] })),
    ...(reading === undefined ? [] : poolFacts(reading)),
  ];
}

function poolFacts(reading: MetricReading): Snapshot {
  const used = totalOf(reading, metric.dbConnectionCount, ({ state }) => state === "used");
  const pending = totalOf(reading, metric.dbConnectionPending);
  return [
    { what: "database connections in use", value: used },
    { what: "requests that wait for a database connection", value: pending },
  ].flatMap(({ what, value }) =>
    value === undefined ? [] : [{ what, of: "server" as const, values: [String(value)] }],
  );
}

function leaseOf(id: ServiceId): Lease | null {
  switch (id) {
    case "server":
    case "postgres":
    case "valkey":
    case "minio":
    case "keycloak":
    case "collector":
      return id;
    case "store":
      return "collector";
    case "valkey-cache":
    case "redis-exporter":
    case "tempo":
    case "loki":
    case "prometheus":
    case "grafana":
      return null;
  }
}

/**
 * What differs, in words. What other runs may have changed meanwhile is left out, and so is what was
 * not there before: a service that became ready is nobody's fault.
 */
export function differences(
  before: Snapshot,
  after: Snapshot,
  disturbed: ReadonlySet<Lease>,
): readonly string[] {
  const now = new Map(after.map((fact) => [fact.what, fact.values]));
  return (
    before
      // Faults of other runs show here, each held apart by its lease.
      .filter(({ of }) => (of === null ? disturbed.size === 0 : !disturbed.has(of)))
      .flatMap(({ what, values }) => {
        const seen = now.get(what);
        if (seen === undefined) return [`${what}: cannot be seen any more, was ${listed(values)}`];
        const gone = values.filter((value) => !seen.includes(value));
        const added = seen.filter((value) => !values.includes(value));
        if (gone.length + added.length === 0) return [];
        return [`${what}: was ${listed(gone)}, is ${listed(added)}`];
      })
  );
}

const listed = (values: readonly string[]): string => values.join(", ") || "nothing more";

/** The check that a run fails which leaves something behind. */
export const leftBehind = (different: readonly string[], index: number): Check => ({
  index,
  signal: "component",
  state: "fail",
  title: "The lab is as it was",
  expected: "everything that the run broke or changed is as it was before",
  seen: different.join("; "),
  nearest: null,
  why: "What one run leaves behind, the next one is judged by.",
  hint: "Look at what the scenario changes in its serve, and undo it in a finally block.",
});
