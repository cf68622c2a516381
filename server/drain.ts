import type { Server } from "node:http";
import type { Pool } from "./database/pool.ts";
import type { Edges } from "./edges.ts";
import { log } from "./log.ts";
import { telemetry } from "./telemetry/running.ts";

const requestsMs = 1200;
const flushMs = 700;

/**
 * On SIGTERM or SIGINT: answers what is under way, sends what is queued, exits 0. Takes 2.1 s at most: the supervisor waits 2.5 s.
 */
export function drainOnSignal(parts: {
  readonly server: Server;
  readonly metrics: Server;
  readonly pool: Pool;
  readonly edges: Pick<Edges, "close">;
}): void {
  let draining = false;
  const drain = async (signal: NodeJS.Signals): Promise<void> => {
    if (draining) return;
    draining = true;
    log.info({ signal }, "draining");
    parts.metrics.close();
    parts.metrics.closeAllConnections();
    await closed(parts.server);
    await Promise.all([parts.pool.end(200), parts.edges.close()]);
    await telemetry().flush(flushMs);
    telemetry().stop();
    process.exit(0);
  };
  process.on("SIGTERM", (signal) => void drain(signal));
  process.on("SIGINT", (signal) => void drain(signal));
}

/** Resolves when the last answer is out, or when the time for that is over. */
function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Kept-alive connections become idle one by one, and each would hold the server open.
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    const giveUp = setTimeout(() => server.closeAllConnections(), requestsMs);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(giveUp);
      resolve();
    });
    server.closeIdleConnections();
  });
}
