import type { Sql } from "postgres";
import type { Workload } from "#scenarios/edges/workload.ts";
import { cancelOn } from "../database/cancel.ts";
import { ordersTable } from "../database/orders-table.ts";
import type { Pool, PoolOptions } from "../database/pool.ts";
import { exportOrders } from "../exporter/export-orders.ts";
import { withDeadline } from "../outbound/deadline.ts";
import { openOutbound } from "../outbound/outbound.ts";
import { telemetry } from "../telemetry/running.ts";
import type { SmallCache } from "../valkey/small-cache.ts";

const endMs = 1000;

/** What one run uses of {@link Workload}; `close` ends its pools and queues, and waits for its caches. */
export function openWorkload(
  openPool: (options: PoolOptions) => Pool,
  sql: Sql,
  openSmallCache: () => Promise<SmallCache>,
): {
  readonly offered: Workload;
  readonly close: () => Promise<void>;
} {
  const caches: SmallCache[] = [];
  const pools: Pool[] = [];
  const queues: { readonly close: () => void }[] = [];
  return {
    offered: {
      openPool(options) {
        const pool = openPool(options);
        pools.push(pool);
        return pool.sql;
      },
      ordersTable: (rows) => ordersTable(sql, rows),
      async openSmallCache() {
        const cache = await openSmallCache();
        caches.push(cache);
        return cache;
      },
      spanQueue(capacity) {
        const queue = telemetry().openQueue(capacity);
        queues.push(queue);
        return queue;
      },
      withDeadline,
      cancelOn,
      outbound: openOutbound,
      exportOrders,
    },
    async close() {
      for (const pool of pools) void pool.end(endMs);
      for (const queue of queues) queue.close();
      await Promise.all(caches.map((cache) => cache.close()));
    },
  };
}
