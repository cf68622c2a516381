import { context, trace } from "@opentelemetry/api";
import { type AnyValueMap, logs, SeverityNumber } from "@opentelemetry/api-logs";
import pino from "pino";
import { plainError } from "./plain-error.ts";
import { runAttributes } from "./telemetry/run-baggage.ts";
import { telemetry } from "./telemetry/running.ts";
import { Sentry } from "./telemetry/sentry-sdk.ts";
import { userAttributes } from "./telemetry/user.ts";

type Level = "trace" | "debug" | "info" | "warn" | "error" | "fatal";
type Line = Readonly<Record<string, unknown>> & {
  readonly level: Level;
  readonly time: number;
  readonly msg?: string;
};

const severity: Readonly<Record<Level, SeverityNumber>> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
};
const otel = logs.getLogger("lab-server");

/**
 * The one place where a line leaves: redacted, then to stdout as one JSON object, to OTLP as a log
 * record and to Sentry as a log. pino writes in the caller's turn, so the context is the caller's.
 */
const everywhere = {
  write(text: string): void {
    const line = telemetry().redactor.data(JSON.parse(text)) as Line;
    process.stdout.write(`${JSON.stringify(line)}\n`);
    const { level, time, msg = "", trace_id, span_id, ...rest } = line;
    otel.emit({
      timestamp: time,
      severityNumber: severity[level],
      severityText: level.toUpperCase(),
      body: msg,
      attributes: rest as AnyValueMap,
      context: context.active(),
    });
    Sentry.logger[level](msg, flat(rest));
  },
};

/** Sentry's log attributes are scalars. */
function flat(attributes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [
      key,
      typeof value === "object" ? JSON.stringify(value) : value,
    ]),
  );
}

/** The app's logger. Lines carry trace and span id, and the run where there is one. */
export const log = pino(
  {
    level: "info",
    base: null,
    timestamp: () => `,"time":${Date.now()}`,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: plainError },
    mixin() {
      const span = trace.getActiveSpan()?.spanContext();
      return {
        ...(span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }),
        ...runAttributes(context.active()),
        ...userAttributes(context.active()),
      };
    },
  },
  everywhere,
);
