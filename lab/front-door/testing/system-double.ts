/** Real small servers in the places of the app and the store, for tests of the front door. */
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { ProxyTarget, Toxic } from "#scenarios/fault.ts";
import type { LogRecord } from "../../api/logs.ts";
import type { OtlpSpan, OtlpTrace } from "../../api/otlp.ts";
import type { SentryItem } from "../../api/sentry.ts";
import type { ServiceStatus } from "../../api/services.ts";
import type { ServiceId } from "../../services/ids.ts";
import type { FeedMessage, TraceGrowth } from "../../store/contract.ts";
import type { MetricSource, System, SystemFact } from "../../system.ts";

export interface SystemDouble {
  readonly system: System;
  readonly store: StoreDouble;
  /** Changes a row and tells the subscribers. */
  readonly setRow: (id: ServiceId, part: Partial<ServiceStatus>) => void;
  readonly setUrl: (id: ServiceId, url: string | undefined) => void;
  /** Takes the app away, as a crash does; `url` keeps its port. */
  readonly stopServer: () => Promise<void>;
  /** Calls of `restart`, `stop`, `start` and of crash leases, in order. */
  readonly calls: readonly string[];
  /** What the system tells of metrics besides the server's; to be filled. */
  readonly metricSources: MetricSource[];
  /** What the system sees inside its services; to be filled. */
  readonly facts: SystemFact[];
  readonly listeners: () => number;
  readonly close: () => Promise<void>;
}

export interface StoreDouble {
  readonly received: {
    readonly url: string;
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
  }[];
  /** Makes evidence readable, then tells the feed. */
  readonly add: (evidence: {
    readonly traceId: string;
    readonly runId?: string;
    readonly spans?: readonly (Partial<OtlpSpan> & { readonly service: string })[];
    readonly logs?: number;
    readonly events?: number;
  }) => void;
  /** Breaks the feed's connections, as a restart does. */
  readonly dropFeeds: () => void;
  /** Resolves when the feed has a reader. */
  readonly followed: () => Promise<void>;
}

export type AppHandler = (request: IncomingMessage, response: ServerResponse) => void;

export async function openSystemDouble(app: AppHandler): Promise<SystemDouble> {
  const server = await listening(createServer(app));
  const store = await openStoreDouble();
  const listeners = new Set<(row: ServiceStatus) => void>();
  const calls: string[] = [];
  const rows = new Map<ServiceId, ServiceStatus>(
    (["postgres", "store", "server"] as const).map((id) => [id, readyRow(id)]),
  );
  const urls: Partial<Record<ServiceId, string | undefined>> = {
    server: urlOf(server),
    store: store.url,
  };
  const armed = new Set<{ readonly target: ProxyTarget; readonly toxic: Toxic }>();
  const metricSources: MetricSource[] = [];
  const facts: SystemFact[] = [];
  const act = (action: string) => async (id: ServiceId) => void calls.push(`${action} ${id}`);
  return {
    store: store.double,
    calls,
    metricSources,
    facts,
    listeners: () => listeners.size,
    setRow: (id, part) => {
      const row = { ...(rows.get(id) ?? readyRow(id)), ...part };
      rows.set(id, row);
      for (const listener of listeners) listener(row);
    },
    setUrl: (id, url) => {
      urls[id] = url;
    },
    stopServer: () => stop(server),
    close: async () => {
      await Promise.all([stop(server), store.close()]);
    },
    system: {
      runtime: "embedded",
      ready: async () => undefined,
      services: () => [...rows.values()],
      url: (id) => urls[id],
      log: async (id, lines) => [`${id} says hello`, "second line"].slice(-lines),
      followLog: () => undefined,
      start: act("start"),
      stop: act("stop"),
      restart: act("restart"),
      leaseCrashes: (id) => {
        calls.push(`lease ${id}`);
        return () => void calls.push(`unlease ${id}`);
      },
      kill: act("kill"),
      pause: act("pause"),
      resume: act("resume"),
      paused: () => [],
      arm: async (target, { kind }) => {
        calls.push(`arm ${target} ${kind}`);
        const one = { target, toxic: { kind } as Toxic };
        armed.add(one);
        return async () => {
          if (armed.delete(one)) calls.push(`disarm ${target} ${kind}`);
        };
      },
      armed: () => [...armed],
      metricSources: () => metricSources,
      facts: async () => [...facts],
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      shutdown: async () => undefined,
    },
  };
}

async function openStoreDouble() {
  const received: { url: string; headers: IncomingHttpHeaders; body: Buffer }[] = [];
  const traces = new Map<string, OtlpTrace>();
  const runs = new Map<string, Set<string>>();
  const logs: LogRecord[] = [];
  const sentry: SentryItem[] = [];
  const feeds = new Set<ServerResponse>();
  let seq = 0;
  let onFollowed = Promise.withResolvers<void>();

  const server = await listening(
    createServer(async (request, response) => {
      const url = new URL(request.url ?? "/", "http://store");
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of request) chunks.push(chunk as Buffer);
      } catch {
        return;
      }
      const json = (body: unknown, status = 200) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
      };
      const trace = url.searchParams.get("trace");
      const inRun = runs.get(url.searchParams.get("run") ?? "") ?? new Set();
      const chosen = (traceId: string | null) => traceId === trace || inRun.has(traceId ?? "");
      if (request.method === "POST") {
        received.push({ url: url.pathname, headers: request.headers, body: Buffer.concat(chunks) });
        json({});
      } else if (url.pathname === "/lab/feed") {
        feeds.add(response);
        response.once("close", () => feeds.delete(response));
        response.write(`${JSON.stringify({ type: "hello", seq } satisfies FeedMessage)}\n`);
        onFollowed.resolve();
      } else if (url.pathname.startsWith("/lab/traces/")) {
        const found = traces.get(url.pathname.slice("/lab/traces/".length));
        response.setHeader("x-accept-seen", request.headers.accept ?? "");
        json(found ?? {}, found ? 200 : 404);
      } else if (url.pathname.startsWith("/lab/runs/")) {
        json({ traceIds: [...(runs.get(url.pathname.split("/")[3] ?? "") ?? [])] });
      } else if (url.pathname === "/lab/logs") {
        json({ logs: logs.filter((log) => chosen(log.traceId)) });
      } else if (url.pathname === "/lab/sentry") {
        json({ items: sentry.filter((item) => chosen(item.traceId)) });
      } else {
        json({}, 404);
      }
    }),
  );

  const add: StoreDouble["add"] = ({ traceId, runId, spans = [], logs: lines = 0, events = 0 }) => {
    const before = traces.get(traceId)?.resourceSpans ?? [];
    if (spans.length > 0) {
      const added = spans.map(({ service, ...span }) => resourceSpans(service, traceId, span));
      traces.set(traceId, { resourceSpans: [...before, ...added] });
    }
    if (runId) runs.set(runId, (runs.get(runId) ?? new Set()).add(traceId));
    for (let i = 0; i < lines; i += 1) logs.push(logRecord(++seq, traceId));
    for (let i = 0; i < events; i += 1) sentry.push(sentryEvent(++seq, traceId));
    const growth: TraceGrowth = {
      ...{ traceId, runId: runId ?? null },
      ...{ spans: spans.length, logs: lines, sentry: events },
    };
    const message: FeedMessage = { type: "grew", seq: ++seq, traces: [growth] };
    for (const feed of feeds) feed.write(`${JSON.stringify(message)}\n`);
  };
  return {
    url: urlOf(server),
    close: () => stop(server),
    double: {
      ...{ received, add },
      dropFeeds: () => {
        for (const feed of feeds) feed.destroy();
      },
      followed: async () => {
        if (feeds.size > 0) return;
        onFollowed = Promise.withResolvers();
        await onFollowed.promise;
      },
    } satisfies StoreDouble,
  };
}

let spanCount = 0;
const resourceSpans = (service: string, traceId: string, span: Partial<OtlpSpan>) => ({
  resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
  scopeSpans: [
    {
      spans: [
        {
          traceId,
          spanId: (++spanCount).toString(16).padStart(16, "0"),
          name: "work",
          startTimeUnixNano: "1",
          endTimeUnixNano: "2",
          ...span,
        },
      ],
    },
  ],
});

const logRecord = (seq: number, traceId: string): LogRecord => ({
  ...{ seq, traceId, timeUnixNano: "1", severity: "info", body: "line" },
  ...{ service: "lab-server", spanId: null, attributes: {} },
});

const sentryEvent = (seq: number, traceId: string): SentryItem => ({
  ...{ seq, traceId, kind: "event", receivedAt: 1, spanId: null, origin: "sdk" },
  ...{ level: "error", title: "Error: broken", payload: {} },
});

export const readyRow = (id: ServiceId): ServiceStatus => ({
  ...{ id, title: id, role: "a double", state: "ready", kind: "real", version: "1" },
  ...{ url: null, port: null, pid: null, startedAt: 1, startMs: 1, restarts: 0, exitCode: null },
  ...{ progress: null, note: null },
});

async function listening(server: Server): Promise<Server> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const urlOf = (server: Server): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}
