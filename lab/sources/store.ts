import { Agent, get, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { LogRecord, LogsBody } from "../api/logs.ts";
import type { OtlpTrace } from "../api/otlp.ts";
import type { SentryBody, SentryItem } from "../api/sentry.ts";
import { LabError } from "../errors.ts";
import { type FeedMessage, storeRoutes } from "../store/contract.ts";

/** Read side of the store. Every method rejects with a `LabError` `store-unreachable` while it is away. */
export interface StoreSource {
  /** Undefined while no span of the trace has arrived. */
  readonly trace: (traceId: string) => Promise<OtlpTrace | undefined>;
  /** Traces with a span or log record that carries the run id. */
  readonly tracesOf: (runId: string) => Promise<readonly string[]>;
  readonly logs: (by: EvidenceKey) => Promise<readonly LogRecord[]>;
  readonly sentry: (by: EvidenceKey) => Promise<readonly SentryItem[]>;
  /**
   * Calls back with every feed message, across restarts of the store, until the signal aborts.
   * Each new connection starts with `hello`: what happened in between has to be read anew.
   */
  readonly follow: (onMessage: (message: FeedMessage) => void, signal: AbortSignal) => void;
  readonly close: () => void;
}

export type EvidenceKey = { readonly run: string } | { readonly trace: string };

/** Records read for one run or trace at most. */
const recordLimit = 5000;
const answerWithinMs = 10_000;
/** Two of the feed's beats, and a little. */
const feedSilenceMs = 12_000;
const reconnectMs = { first: 50, most: 1000 };

/**
 * @param base where the store listens; asked on every call, since a restart may move it.
 * @param silenceMs after which the feed's connection is taken for dead.
 */
export function openStoreSource(
  base: () => string | undefined,
  silenceMs = feedSilenceMs,
): StoreSource {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });

  async function open(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const origin = base();
    if (origin === undefined) throw unreachable(undefined);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    get(new URL(path, origin), { agent, signal }, resolve).once("error", reject);
    return promise;
  }

  async function read<T>(path: string): Promise<T | undefined> {
    try {
      const response = await open(path, AbortSignal.timeout(answerWithinMs));
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      if (response.statusCode === 404) return undefined;
      if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
      return JSON.parse(Buffer.concat(chunks).toString()) as T;
    } catch (error) {
      throw error instanceof LabError ? error : unreachable(error);
    }
  }

  const query = (by: EvidenceKey): string =>
    new URLSearchParams({ ...by, limit: String(recordLimit) }).toString();

  async function followOnce(
    onMessage: (message: FeedMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const silence = new AbortController();
    const alarm = setTimeout(() => silence.abort(), silenceMs).unref();
    try {
      const response = await open(storeRoutes.feed, AbortSignal.any([signal, silence.signal]));
      if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
      for await (const line of createInterface({ input: response })) {
        alarm.refresh();
        if (line !== "") onMessage(JSON.parse(line) as FeedMessage);
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  async function follow(
    onMessage: (message: FeedMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let wait = reconnectMs.first;
    while (!signal.aborted) {
      await followOnce((message) => {
        wait = reconnectMs.first;
        onMessage(message);
      }, signal).catch(() => undefined);
      await delay(wait, undefined, { signal, ref: false }).catch(() => undefined);
      wait = Math.min(wait * 2, reconnectMs.most);
    }
  }

  return {
    trace: (traceId) => read<OtlpTrace>(storeRoutes.trace(traceId)),
    tracesOf: async (runId) =>
      (await read<{ readonly traceIds: readonly string[] }>(storeRoutes.runTraces(runId)))
        ?.traceIds ?? [],
    logs: async (by) => (await read<LogsBody>(`${storeRoutes.logs}?${query(by)}`))?.logs ?? [],
    sentry: async (by) =>
      (await read<SentryBody>(`${storeRoutes.sentry}?${query(by)}`))?.items ?? [],
    follow: (onMessage, signal) => void follow(onMessage, signal),
    close: () => agent.destroy(),
  };
}

const unreachable = (cause: unknown): LabError =>
  new LabError("store-unreachable", "The telemetry store does not answer.", {
    cause,
    hint: "See its row on the Services page; it is restarted by itself.",
  });
