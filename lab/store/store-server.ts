import { openFeed } from "./feed.ts";
import { badDsn, parseDsn } from "./forward/dsn.ts";
import { type Forwarder, openForwarder } from "./forward/forwarder.ts";
import { sendTempoRefusal } from "./http/answer.ts";
import { type BodyLimits, bodyReader, defaultLimits } from "./http/body.ts";
import { labRoutes } from "./http/lab-routes.ts";
import { metricsRoutes } from "./http/metrics-routes.ts";
import { otlpRoutes } from "./http/otlp-routes.ts";
import { pinRoutes } from "./http/pin-routes.ts";
import type { Route } from "./http/route.ts";
import { searchRoute } from "./http/search-route.ts";
import { sentryRoutes } from "./http/sentry-routes.ts";
import { openHttpServer } from "./http/server.ts";
import { tempoMetricsRoutes } from "./http/tempo-metrics-routes.ts";
import { tempoRoutes } from "./http/tempo-routes.ts";
import { tempoTagRoutes } from "./http/tempo-tag-routes.ts";
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
  /** Port of a TCP proxy in front of it. */
  readonly proxyPort?: number | undefined;
  /** Name by which containers ask for this machine. */
  readonly containerHost?: string | undefined;
  /** Existing folder for the segments. */
  readonly dir: string;
  readonly fsync?: boolean;
  readonly limits?: Partial<BodyLimits>;
  readonly beatMs?: number;
  /** DSN of a Sentry project that gets a copy of spans and envelopes. A wrong one is a `LabError` `bad-dsn`. */
  readonly sentryDsn?: string | undefined;
  readonly onError?: (error: unknown) => void;
}

const version = "0.1.0";
const closeGraceMs = 3000;
/** The supervisor waits no longer than 1.5 s for the whole stop. */
const forwardGraceMs = 700;
const checkpointMs = 30_000;

/** The store with its HTTP side, ready to serve. */
export async function openStoreServer(options: StoreServerOptions): Promise<StoreServer> {
  const { dir, fsync = false, onError = () => undefined } = options;
  const project = options.sentryDsn ? parseDsn(options.sentryDsn) : undefined;
  const forwarder = project && openForwarder({ project });
  const feed = openFeed({
    ...(options.beatMs === undefined ? {} : { beatMs: options.beatMs }),
    describe: (trace) => ({
      traceId: store.index.traces.hex(trace),
      runId: store.index.runs.id(store.index.traces.entry().run[trace] ?? 0),
    }),
    belongs: (trace, runId) => {
      const { runs } = store.index;
      return runs.traces(runs.find(runId)).has(trace);
    },
  });
  const store = openStore({ dir, fsync, grew: feed.grew });
  const checkpoints = setInterval(store.checkpoint, checkpointMs);
  checkpoints.unref();
  const readBody = bodyReader({ ...defaultLimits, ...options.limits });
  const receiver = forwarder ? forwarding(store, forwarder) : store;
  const server = await openHttpServer({
    port: options.port,
    proxyPort: options.proxyPort,
    containerHost: options.containerHost,
    folder: dir,
    onError,
    routes: [
      ...otlpRoutes(receiver, readBody, store),
      ...sentryRoutes(receiver, readBody),
      ...labRoutes(store, feed, () => forwarder?.stats() ?? null),
      ...pinRoutes(store),
      ...metricsRoutes(store),
      ...tempoApi(store),
    ],
  });
  async function close(): Promise<void> {
    clearInterval(checkpoints);
    feed.close();
    await server.close(closeGraceMs);
    await forwarder?.close(forwardGraceMs);
    store.close();
  }
  if (project !== undefined && isOwn(project.envelopeUrl, server.port)) {
    await close();
    throw badDsn("it leads to the lab's own store");
  }
  return {
    port: server.port,
    url: `http://127.0.0.1:${server.port}`,
    store,
    feedReaders: feed.readers,
    close,
  };
}

/** What a data source of Tempo asks (https://grafana.com/docs/tempo/latest/api_docs/), refused as Tempo refuses. */
const tempoApi = (store: Store): readonly Route[] =>
  [
    ...tempoRoutes(store, version),
    searchRoute(store, /^\/api\/search$/),
    ...tempoTagRoutes(store),
    ...tempoMetricsRoutes,
  ].map((route) => ({
    ...route,
    refuse: ({ response }, refusal) => sendTempoRefusal(response, refusal),
  }));

/** The store, with a copy of what it accepted handed on once it is kept. */
const forwarding = (store: Store, forwarder: Forwarder): Store => ({
  ...store,
  addTraces: async (bytes) => {
    const accepted = await store.addTraces(bytes);
    forwarder.spans(bytes);
    return accepted;
  },
  addEnvelope: async (bytes) => {
    const accepted = await store.addEnvelope(bytes);
    forwarder.envelope(bytes);
    return accepted;
  },
});

const isOwn = ({ hostname, port }: URL, own: number): boolean =>
  Number(port) === own && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
