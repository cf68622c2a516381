/**
 * The store process: `LAB_STORE_PORT` and `LAB_STORE_DIR` (an existing folder) say where;
 * `LAB_STORE_PROXY_PORT` is that of a TCP proxy in front of it;
 * `LAB_STORE_METRICS_PORT` and `LAB_MONITOR_DATABASE_URL` make it expose PostgreSQL's metrics;
 * `LAB_CONTAINER_HOST` is the name by which containers ask for this machine;
 * `LAB_STORE_FSYNC=1` makes every acknowledgement wait for the disk; `SENTRY_DSN` names a Sentry
 * project that gets a copy of spans and envelopes. SIGTERM and SIGINT finish
 * what is under way and exit 0.
 */
import { LabError } from "#lab/errors.ts";
import { openPostgresMetrics } from "./postgres-metrics/endpoint.ts";
import { openStoreServer } from "./store-server.ts";

/** One JSON line per event; it never holds anything a sender sent. */
function log(level: "info" | "warn" | "error", msg: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ level, time: Date.now(), msg, ...fields })}\n`);
}

const port = Number(process.env.LAB_STORE_PORT);
const dir = process.env.LAB_STORE_DIR;
if (!Number.isInteger(port) || port < 0 || port > 65_535 || !dir) {
  log("error", "LAB_STORE_PORT must be a port and LAB_STORE_DIR an existing folder");
  process.exit(3);
}

const startedAt = performance.now();
try {
  const server = await openStoreServer({
    port,
    proxyPort: Number(process.env.LAB_STORE_PROXY_PORT) || undefined,
    containerHost: process.env.LAB_CONTAINER_HOST,
    dir,
    fsync: process.env.LAB_STORE_FSYNC === "1",
    sentryDsn: process.env.SENTRY_DSN,
    onError: (error) => log("error", "request failed", { error: errorText(error) }),
  });
  const postgresMetrics = await exposePostgres();
  for (const damage of server.store.index.log.damage) log("warn", "damage found", { ...damage });
  log("info", "store ready", {
    port: server.port,
    spans: server.store.stats().spans,
    ms: Math.round(performance.now() - startedAt),
  });

  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await Promise.all([server.close(), postgresMetrics?.close(0)]);
    log("info", "store stopped", { signal });
    process.exit(0);
  };
  process.on("SIGTERM", (signal) => void stop(signal));
  process.on("SIGINT", (signal) => void stop(signal));
} catch (error) {
  if (error instanceof LabError) {
    log("error", error.message, { code: error.code, hint: error.hint });
    process.exit(3);
  }
  log("error", "store cannot start", { error: errorText(error) });
  process.exit(1);
}

async function exposePostgres() {
  const { LAB_STORE_METRICS_PORT, LAB_MONITOR_DATABASE_URL } = process.env;
  if (!LAB_STORE_METRICS_PORT || !LAB_MONITOR_DATABASE_URL) return undefined;
  return openPostgresMetrics({
    port: Number(LAB_STORE_METRICS_PORT),
    databaseUrl: LAB_MONITOR_DATABASE_URL,
    containerHost: process.env.LAB_CONTAINER_HOST,
    onError: (error) => log("error", "metrics failed", { error: errorText(error) }),
  });
}

/** Our own errors' stack, which names files and never data. */
function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
