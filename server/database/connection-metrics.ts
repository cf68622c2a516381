import { Counter, Gauge, Histogram } from "prom-client";
import { metric } from "#scenarios/names.ts";
import { exemplar, registry } from "../metrics.ts";

/** How many connections are open and how many queries wait for one. Read when scraped. */
export interface ConnectionCounts {
  readonly used: number;
  readonly idle: number;
  readonly pending: number;
}

/** `db.client.connection.*` (https://opentelemetry.io/docs/specs/semconv/database/database-metrics/). */
const poolLabel = "db_client_connection_pool_name";
const registers = [registry];
const pools = new Map<string, Set<() => ConnectionCounts>>();

function totals(): readonly (readonly [string, ConnectionCounts])[] {
  return [...pools].map(([name, counters]) => {
    const counts = [...counters].map((count) => count());
    const sum = (key: keyof ConnectionCounts) =>
      counts.reduce((total, count) => total + count[key], 0);
    return [name, { used: sum("used"), idle: sum("idle"), pending: sum("pending") }];
  });
}

new Gauge({
  name: metric.dbConnectionCount,
  help: "Open database connections.",
  labelNames: ["state", poolLabel],
  registers,
  collect() {
    this.reset();
    for (const [name, { used, idle }] of totals()) {
      this.set({ state: "used", [poolLabel]: name }, used);
      this.set({ state: "idle", [poolLabel]: name }, idle);
    }
  },
});

new Gauge({
  name: metric.dbConnectionPending,
  help: "Queries waiting for a connection.",
  labelNames: [poolLabel],
  registers,
  collect() {
    this.reset();
    for (const [name, { pending }] of totals()) this.set({ [poolLabel]: name }, pending);
  },
});

const timeouts = new Counter({
  name: metric.dbConnectionTimeouts,
  help: "Queries that got no connection in time.",
  labelNames: [poolLabel],
  registers,
});

const waitTime = new Histogram<string>({
  name: metric.dbConnectionWaitTime,
  help: "Time that queries waited for a connection, those that did not have to wait left out.",
  labelNames: [poolLabel],
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
  enableExemplars: true,
  registers,
});

/** Shows the counts of a pool; several of one name are added up. Returns what takes them away again. */
export function exposePool(name: string, counts: () => ConnectionCounts): () => void {
  const counters = pools.get(name) ?? new Set();
  pools.set(name, counters.add(counts));
  // Present from the start: a counter that appears with its first timeout shows no increase.
  timeouts.inc({ [poolLabel]: name }, 0);
  return () => {
    counters.delete(counts);
    if (counters.size === 0) pools.delete(name);
  };
}

export const countConnectionTimeout = (pool: string): void => timeouts.inc({ [poolLabel]: pool });

/** One wait for a connection, however it ended. */
export const observeConnectionWait = (pool: string, seconds: number): void =>
  waitTime.observe({ labels: { [poolLabel]: pool }, value: seconds, ...exemplar() });
