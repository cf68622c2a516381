import { untrack } from "svelte";
import type { LogRecord, LogsBody } from "#lab/api/logs.ts";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import { routes } from "#lab/api/routes.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import type { SentryBody, SentryItem } from "#lab/api/sentry.ts";
import { columnsType, decodeColumns } from "../trace/columns.ts";
import { decodeTrace, type Trace } from "../trace/trace.ts";
import { ApiError, type Apology, apologyOf, getJson, getResponse } from "./api.ts";
import type { Lab, TelemetryEvent } from "./lab.svelte.ts";

/** Which telemetry: that of a run, or of a trace by itself. */
export interface Subject {
  readonly runId: string | null;
  readonly traceId: string | null;
}

/** Logs and Sentry items stand behind tabs: their readings give way to those of the trace, which is drawn first. */
const giveWayMs = 100;

/**
 * Trace, logs and Sentry items of one subject, kept current while the lab reports growth. At most
 * one reading of each is under way; growth in between causes one more.
 */
export class TelemetryOf {
  trace = $state.raw<Trace | undefined>();
  logs = $state.raw<readonly LogRecord[]>([]);
  sentry = $state.raw<readonly SentryItem[]>([]);
  /** True once the first readings came back, with or without anything in them. */
  read = $state(false);
  trouble = $state.raw<Apology | undefined>();

  readonly subject: Subject;
  readonly #readings = new Map<string, { again: boolean }>();
  readonly #due = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #abort = new AbortController();

  readonly #unseen: boolean;

  /** `unseen`: the lab has heard nothing of it yet, so the first reading waits until it has. */
  constructor(subject: Subject, unseen = false) {
    this.subject = subject;
    this.#unseen = unseen;
  }

  /** Reads everything there is, then follows `lab`. Returns the function that ends it. */
  follow(lab: Pick<Lab, "onTelemetry" | "onResync" | "connection">): () => void {
    const all = () => {
      void this.#readTrace();
      void this.#readLogs();
      void this.#readSentry();
    };
    const ends = [lab.onTelemetry((event) => this.#grow(event)), lab.onResync(all)];
    // While the event stream opens, the resync that follows makes the first reading.
    if (!this.#unseen && untrack(() => lab.connection) !== "loading") all();
    return () => {
      for (const end of ends) end();
      for (const due of this.#due.values()) clearTimeout(due);
      this.#abort.abort();
    };
  }

  /** Reads again whatever the lab counted more of than is shown here. */
  catchUp({ spans, logs, sentry }: RunRecord["counts"]): void {
    if (spans > (this.trace?.spans.length ?? 0)) void this.#readTrace();
    if (logs > this.logs.length) void this.#readLogs();
    if (sentry > this.sentry.length) void this.#readSentry();
  }

  #grow(event: TelemetryEvent): void {
    const { runId, traceId } = this.subject;
    const ours = event.traceId === traceId || (runId !== null && event.runId === runId);
    if (!ours) return;
    if (event.spans > 0 && event.traceId === traceId) void this.#readTrace();
    if (event.logs > 0) this.#soon("logs", () => this.#readLogs());
    if (event.sentry > 0) this.#soon("sentry", () => this.#readSentry());
  }

  #soon(what: string, read: () => Promise<void>): void {
    if (this.#due.has(what)) return;
    const due = setTimeout(() => {
      this.#due.delete(what);
      void read();
    }, giveWayMs);
    this.#due.set(what, due);
  }

  #readTrace(): Promise<void> {
    const { traceId } = this.subject;
    if (traceId === null) return Promise.resolve();
    return this.#reading("trace", async (signal) => {
      const trace = await readTrace(traceId, signal).catch(absent);
      if (trace !== undefined && !signal.aborted) this.trace = trace;
      this.read = true;
    });
  }

  #readLogs(): Promise<void> {
    return this.#reading("logs", async (signal) => {
      const body = await getJson<LogsBody>(`${routes.logs}?${this.#query}`, signal).catch(absent);
      if (body !== undefined && !signal.aborted) this.logs = body.logs;
    });
  }

  #readSentry(): Promise<void> {
    return this.#reading("sentry", async (signal) => {
      const url = `${routes.sentry}?${this.#query}`;
      const body = await getJson<SentryBody>(url, signal).catch(absent);
      if (body !== undefined && !signal.aborted) this.sentry = body.items;
    });
  }

  get #query(): string {
    const { runId, traceId } = this.subject;
    return runId === null ? `trace=${traceId}` : `run=${runId}`;
  }

  async #reading(what: string, read: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const running = this.#readings.get(what);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const reading = { again: true };
    this.#readings.set(what, reading);
    try {
      while (reading.again && !this.#abort.signal.aborted) {
        reading.again = false;
        await read(this.#abort.signal);
        this.trouble = undefined;
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) this.trouble = apologyOf(error);
    } finally {
      this.#readings.delete(what);
    }
  }
}

/** Small traces come whole, large ones without the spans' details. */
async function readTrace(traceId: string, signal: AbortSignal): Promise<Trace> {
  const accept = `${columnsType}, application/json`;
  const response = await getResponse(routes.trace(traceId), accept, signal);
  return response.headers.get("content-type") === columnsType
    ? decodeColumns(traceId, await response.arrayBuffer())
    : decodeTrace(traceId, (await response.json()) as OtlpTrace);
}

/** Not there yet: nothing to tell the user. */
function absent(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}
