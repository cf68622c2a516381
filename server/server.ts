import { createServer, type Server } from "node:http";
import { flushCompileCache } from "node:module";
import type { AddressInfo } from "node:net";
import type { Catalogue } from "#scenarios/catalogue.ts";
import { header, traceService } from "#scenarios/names.ts";
import { createApp } from "./app.ts";
import { dieOfUncaughtErrors } from "./crash.ts";
import { asReports, backendKiller } from "./database/backends.ts";
import { migrate } from "./database/migrate.ts";
import { openPool, type Pool } from "./database/pool.ts";
import { indexingStep, isSeeded, seed } from "./database/seed.ts";
import { drainOnSignal } from "./drain.ts";
import { openEdges } from "./edges.ts";
import type { ServerEnv } from "./env.ts";
import { watchEventLoop } from "./event-loop-metrics.ts";
import { log } from "./log.ts";
import { metricsServer } from "./metrics-endpoint.ts";
import { seedImages } from "./objects/product-images.ts";
import type { ScenarioHost } from "./routes/scenarios.ts";

/** Database connections of the app at most. */
const poolSize = 10;
/** A query that got no connection by then fails: whoever asked has waited long enough. */
const acquireTimeoutMs = 5000;

/** Prepares the database, then opens both ports. Resolves when the app answers. */
export async function startServer(env: ServerEnv, catalogue: Catalogue): Promise<void> {
  dieOfUncaughtErrors();
  watchEventLoop();
  const limits = { name: traceService.server, max: poolSize, acquireTimeoutMs };
  const pool = openPool(env.databaseUrl, limits);
  await migrate(pool.sql);
  if (!(await isSeeded(pool.sql))) await seedWith(openPool(env.databaseUrl, limits));

  const http: ScenarioHost["http"] = (path, init) => {
    const headers = new Headers(init?.headers);
    headers.set(header.doorSecret, env.doorSecret);
    return fetch(`http://127.0.0.1:${portOf(server)}${path}`, { ...init, headers });
  };
  const edges = openEdges(env, http);
  const app = createApp({
    doorSecret: env.doorSecret,
    ticketKey: env.ticketKey,
    catalogue,
    sql: pool.sql,
    backends: backendKiller({ appUrl: env.databaseUrl, faultUrl: env.faultDatabaseUrl }),
    http,
    edges,
    flushStatistics: pool.flushStatistics,
    openPool: (options) =>
      openPool(options.as === "reports" ? asReports(env.databaseUrl) : env.databaseUrl, options),
  });
  const server = createServer(app.callback());
  const metrics = metricsServer(env.containerHost);
  await Promise.all([listen(server, env.port), listen(metrics, env.metricsPort)]);
  drainOnSignal({ server, metrics, pool, edges });
  log.info({ port: portOf(server), metricsPort: portOf(metrics) }, "listening");
  // After the start: loading the SDK would hold it up.
  void seedImages(edges.objects);
}

/** Ends the connections it used: a backend keeps the memory in which it sorted half a million orders. */
async function seedWith(pool: Pool): Promise<void> {
  try {
    await seed(pool.sql, (step, done) => {
      log.info({ "lab.progress": { step, done: Math.round(done * 100) / 100 } }, step);
      // A thousand modules take a second to write. Left to the exit, that would hold up a crash.
      if (step === indexingStep) setTimeout(flushCompileCache, 10);
    });
  } finally {
    await pool.end(1000);
  }
}

function listen(target: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    target.once("error", reject);
    target.listen(port, "127.0.0.1", resolve);
  });
}

function portOf(target: Server): number {
  return (target.address() as AddressInfo).port;
}
