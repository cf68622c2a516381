import { type Child, startChild } from "./child.ts";
import { freePort } from "./free-port.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A span as the store gives it back, flattened. */
export interface StoredSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly status: "unset" | "ok" | "error";
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly string[];
}
export interface StoredItem {
  readonly kind: string;
  readonly level: string | null;
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
}
export interface StoredLog {
  readonly severity: string;
  readonly body: string;
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The lab's real store in a process of its own. */
export interface TestStore {
  readonly url: string;
  readonly spans: (traceId: string) => Promise<readonly StoredSpan[]>;
  readonly logs: (traceId: string) => Promise<readonly StoredLog[]>;
  readonly sentry: (traceId: string) => Promise<readonly StoredItem[]>;
  /** Reads again whenever something has arrived, until the answer is good. */
  readonly until: <T>(read: () => Promise<T>, isGood: (answer: T) => boolean) => Promise<T>;
  /** Stops it, and starts it again on its port and with its data when `meanwhile` is over. */
  readonly restart: (meanwhile: () => Promise<void>) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Starts one in a temporary folder. */
export async function startStore(): Promise<TestStore> {
  const folder = await temporaryFolder();
  const start = async (wanted: unknown) => {
    const child: Child = startChild(["lab/store/main.ts"], {
      LAB_STORE_PORT: String(wanted),
      LAB_STORE_DIR: folder.path,
    });
    const { port } = await child.line(({ msg }) => msg === "store ready");
    return { child, port };
  };
  let { child, port } = await start(await freePort());
  const url = `http://127.0.0.1:${port}`;
  let feed = new AbortController();
  const listeners = new Set<() => void>();
  const follow = (): void => {
    feed = new AbortController();
    void listen(`${url}/lab/feed`, feed.signal, () => {
      for (const listener of [...listeners]) listener();
    });
  };
  follow();
  const get = async (path: string): Promise<Readonly<Record<string, unknown>>> => {
    const response = await fetch(url + path);
    return response.ok ? ((await response.json()) as Record<string, unknown>) : {};
  };
  return {
    url,
    spans: async (traceId) => flatten(await get(`/lab/traces/${traceId}`)),
    logs: async (traceId) =>
      ((await get(`/lab/logs?trace=${traceId}`)).logs ?? []) as readonly StoredLog[],
    sentry: async (traceId) =>
      ((await get(`/lab/sentry?trace=${traceId}`)).items ?? []) as readonly StoredItem[],
    until: async (read, isGood) => {
      for (;;) {
        const { promise, resolve } = Promise.withResolvers<void>();
        listeners.add(resolve);
        const answer = await read();
        if (isGood(answer)) {
          listeners.delete(resolve);
          return answer;
        }
        await promise;
        listeners.delete(resolve);
      }
    },
    async restart(meanwhile) {
      feed.abort();
      await child.stop();
      await meanwhile();
      ({ child, port } = await start(port));
      follow();
    },
    async stop() {
      feed.abort();
      await child.stop();
      await folder.remove();
    },
  };
}

async function listen(url: string, signal: AbortSignal, onMessage: () => void): Promise<void> {
  try {
    const response = await fetch(url, { signal });
    for await (const _ of response.body ?? []) onMessage();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

interface OtlpValue {
  readonly [kind: string]: unknown;
}
interface OtlpSpanJson {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind?: number;
  readonly status?: { readonly code?: number };
  readonly attributes?: readonly { readonly key: string; readonly value?: OtlpValue }[];
  readonly events?: readonly { readonly name: string }[];
}

function flatten(answer: Readonly<Record<string, unknown>>): StoredSpan[] {
  const resources = (answer.resourceSpans ?? []) as readonly {
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpanJson[] }[];
  }[];
  return resources
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
    .map((span) => ({
      traceId: span.traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId || undefined,
      name: span.name,
      kind: span.kind ?? 0,
      status: (["unset", "ok", "error"] as const)[span.status?.code ?? 0] ?? "unset",
      attributes: Object.fromEntries(
        (span.attributes ?? []).map(({ key, value }) => [key, anyValue(value)]),
      ),
      events: (span.events ?? []).map(({ name }) => name),
    }));
}

function anyValue(value: OtlpValue | undefined): unknown {
  const [kind, content] = Object.entries(value ?? {})[0] ?? [];
  return kind === "intValue" ? Number(content) : content;
}
