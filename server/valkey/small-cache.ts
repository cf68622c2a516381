import { once } from "node:events";
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import type { Redis } from "iovalkey";
import { Counter } from "prom-client";
import type { Cache } from "#scenarios/edges/cache.ts";
import { metric } from "#scenarios/names.ts";
import { openCache } from "../cache/cache.ts";
import { AppError } from "../errors.ts";
import { registry } from "../metrics.ts";
import { openValkey } from "./client.ts";

/** What the lab gives it when it starts. */
const usualLimits = { maxmemory: "20mb", "maxmemory-policy": "allkeys-lru" };
/** Its values are large; on a busy machine one takes a while. */
const patienceMs = 3000;

/** A cache in the small Valkey, for one piece of work. */
export interface SmallCache extends Cache {
  /** Empties it, gives it its usual limits again, and lets the connection go. Never rejects. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the cache in the Valkey of `url`, empty and with its usual limits, whatever was there before.
 * @throws AppError 503 `no_small_cache` where there is none.
 */
export async function openSmallCache(url: string | undefined): Promise<SmallCache> {
  if (url === undefined) throw noSmallCache();
  const valkey = openValkey(url, { patienceMs });
  const { client } = valkey;
  try {
    if (client.status !== "ready")
      await once(client, "ready", { signal: AbortSignal.timeout(patienceMs) });
    await untraced(() => reset(client));
  } catch (error) {
    valkey.close();
    throw noSmallCache(error);
  }
  let seen = await untraced(() => evictedBy(client));
  const count = async (): Promise<void> => {
    const now = await untraced(() => evictedBy(client));
    // It counts from 0 when it was restarted meanwhile.
    evicted.inc(now < seen ? now : now - seen);
    seen = now;
  };
  open.add(count);
  return {
    ...openCache(valkey),
    async close() {
      open.delete(count);
      await count().catch(() => {});
      await untraced(() => reset(client)).catch(() => {});
      valkey.close();
    },
  };
}

/** Puts right what an app that ended too early left in it. Never rejects; what is not there has nothing left. */
export async function tidySmallCache(url: string | undefined): Promise<void> {
  const cache = await openSmallCache(url).catch(() => undefined);
  await cache?.close();
}

/** Nobody's request: neither spans nor a run's. */
const untraced = <T>(work: () => Promise<T>): Promise<T> =>
  context.with(suppressTracing(ROOT_CONTEXT), work);

async function reset(client: Redis): Promise<void> {
  for (const [name, value] of Object.entries(usualLimits)) await client.config("SET", name, value);
  await client.flushall();
}

const evictedBy = async (client: Redis): Promise<number> =>
  Number(/^evicted_keys:(\d+)/m.exec(await client.info("stats"))?.[1] ?? 0);

const noSmallCache = (cause?: unknown): AppError =>
  new AppError(503, "no_small_cache", "There is no Valkey for values that may go.", {
    hint: "npm run lab -- status tells what became of valkey-cache.",
    cause,
  });

const open = new Set<() => Promise<void>>();
const evicted = new Counter({
  name: metric.cacheEvicted,
  help: "Values that the small Valkey removed to make room for others, by its INFO.",
  registers: [registry],
  async collect() {
    await Promise.allSettled([...open].map((count) => count()));
  },
});
evicted.inc(0);
