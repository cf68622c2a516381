import { trace } from "@opentelemetry/api";
import type { OpenSpans } from "./open-spans.ts";
import type { OwnQueues } from "./own-queues.ts";
import { createRedactor, type Redactor } from "./redact.ts";

/** What the rest of the app needs of the telemetry that `--import` started. */
export interface Telemetry {
  readonly redactor: Redactor;
  readonly openSpans: Pick<OpenSpans, "endAll">;
  /** A queue of so many spans for one piece of work. */
  readonly openQueue: OwnQueues["open"];
  /** Sends what is queued: spans, logs, Sentry. Gives up after `timeoutMs`. */
  readonly flush: (timeoutMs: number) => Promise<void>;
  /** Counts what is left as dropped. */
  readonly stop: () => void;
}

/** The app also runs without telemetry, e.g. to measure what telemetry costs. */
let running: Telemetry = {
  redactor: createRedactor([]),
  openSpans: { endAll: () => 0 },
  openQueue: () => ({
    tracer: trace.getTracer("lab-server"),
    drain: () => Promise.resolve(true),
    close() {},
  }),
  flush: () => Promise.resolve(),
  stop() {},
};

export const setTelemetry = (telemetry: Telemetry): void => {
  running = telemetry;
};
export const telemetry = (): Telemetry => running;
