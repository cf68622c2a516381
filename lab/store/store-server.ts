import { openFeed } from "./feed.ts";
import { type BodyLimits, bodyReader, defaultLimits } from "./http/body.ts";
import { labRoutes } from "./http/lab-routes.ts";
import { otlpRoutes } from "./http/otlp-routes.ts";
import { sentryRoutes } from "./http/sentry-routes.ts";
import { openHttpServer } from "./http/server.ts";
import { tempoRoutes } from "./http/tempo-routes.ts";
import { tempoSearchRoutes } from "./http/tempo-search-routes.ts";
import { openStore, type Store } from "./store.ts";

export interface StoreServer {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly store: Store;
  /** Connections to the live feed. */
  readonly feedReaders: () => number;
  /** Finishes what is under way, makes everything durable, and ends. */
  readonly close: () => Promise<void>;
}

export interface StoreServerOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** Existing folder for the segments. */
  readonly dir: string;
  readonly fsync?: boolean;
  readonly limits?: Partial<BodyLimits>;
  readonly beatMs?: number;
  readonly onError?: (error: unknown) => void;
}

const version = "0.1.0";
const closeGraceMs = 3000;
const checkpointMs = 30_000;

/** The store with its HTTP side, ready to serve. */
export async function openStoreServer(options: StoreServerOptions): Promise<StoreServer> {
  const { dir, fsync = false, onError = () => undefined } = options;
  const feed = openFeed({
    ...(options.beatMs === undefined ? {} : { beatMs: options.beatMs }),
    describe: (trace) => ({
      traceId: store.index.traces.hex(trace),
      runId: store.index.runs.id(store.index.traces.entry().run[trace] ?? 0),
    }),
  });
  const store = openStore({ dir, fsync, grew: feed.grew });
  const checkpoints = setInterval(store.checkpoint, checkpointMs);
  checkpoints.unref();
  const readBody = bodyReader({ ...defaultLimits, ...options.limits });
  const server = await openHttpServer({
    port: options.port,
    onError,
    routes: [
      ...otlpRoutes(store, readBody),
      ...sentryRoutes(store, readBody),
      ...labRoutes(store, feed),
      ...tempoRoutes(store, version),
      ...tempoSearchRoutes(store),
    ],
  });
  return {
    port: server.port,
    url: `http://127.0.0.1:${server.port}`,
    store,
    feedReaders: feed.readers,
    close: async () => {
      clearInterval(checkpoints);
      feed.close();
      await server.close(closeGraceMs);
      store.close();
    },
  };
}
