import { ProxyTracerProvider, trace } from "@opentelemetry/api";
import { attribute } from "#scenarios/names.ts";
import type { ServerEnv } from "../env.ts";
import { gather } from "./gather.ts";
import { isForSentry } from "./live-mutants.ts";
import type { Redactor } from "./redact.ts";
import type { SentryDelivery } from "./sentry-delivery.ts";
import { Sentry } from "./sentry-sdk.ts";

/**
 * Left out on purpose. `Dedupe` drops the second of two equal errors, and here people repeat a
 * fault to look at it. The two process handlers would exit before the open spans are saved.
 * `Koa` would report errors that the app reports itself. `Http` and `NodeFetch` would send
 * `sentry-trace` beside `traceparent` and try to open spans; the app isolates and describes its
 * requests itself. `ProcessSession` sends release-health items that nobody asked for.
 */
const leftOut = [
  "Dedupe",
  "OnUncaughtException",
  "OnUnhandledRejection",
  "Koa",
  "Http",
  "NodeFetch",
  "ProcessSession",
];

/** Of one event. The SDK stops after five, and what it leaves out is the first cause. */
const linkedErrors = 20;
/** Log lines of one request go out together. */
const logsMs = 50;
/** Events that may be in the making at a time. Beyond the SDK's own 64 those of a crowd that fails at once are dropped. */
const eventsAtOnce = 1000;

/**
 * Starts Sentry beside OpenTelemetry: errors and logs only, on the active OpenTelemetry span.
 * Tracing stays off, because any active Sentry span would win over OpenTelemetry's ids.
 * @throws when OpenTelemetry is not running yet: Sentry would then keep ids of its own.
 */
export function linkSentry(
  env: ServerEnv,
  redactor: Redactor,
  transport: SentryDelivery["transport"],
): void {
  const provider = trace.getTracerProvider();
  if (
    provider instanceof ProxyTracerProvider &&
    provider.getDelegate().constructor.name === "NoopTracerProvider"
  ) {
    throw new Error("Sentry must be linked after OpenTelemetry has started");
  }
  // Left to itself the SDK keeps logs for up to five seconds.
  const sendLogs = gather(logsMs, () => Sentry.getClient()?.emit("flush"));
  Sentry.init({
    dsn: env.sentryDsn,
    environment: "lab",
    release: `observability-lab@${env.version}`,
    serverName: "lab-server",
    // It rewrites modules as they load to open Sentry spans, which nobody wants here.
    enableRuntimeChannelInjection: false,
    dataCollection: {
      cookies: false,
      userInfo: false,
      httpBodies: [],
      httpHeaders: {
        request: { allow: ["user-agent", "content-type", "accept"] },
        response: false,
      },
      databaseQueryData: false,
      stackFrameVariables: false,
    },
    integrations: (defaults) => [
      ...defaults.filter(({ name }) => !leftOut.includes(name)),
      Sentry.linkedErrorsIntegration({ limit: linkedErrors }),
      Sentry.openTelemetryIntegration(),
    ],
    transport,
    transportOptions: { bufferSize: eventsAtOnce },
    beforeSend: (event) =>
      isForSentry(event.tags?.[attribute.runId]) ? (redactor.data(event) as typeof event) : null,
    beforeBreadcrumb: (breadcrumb) => redactor.data(breadcrumb) as typeof breadcrumb,
    beforeSendLog(log) {
      if (!isForSentry(undefined)) return null;
      sendLogs();
      // Logs take the trace from OpenTelemetry, but not the span.
      const spanId = trace.getActiveSpan()?.spanContext().spanId;
      const attributes = redactor.data(log.attributes ?? {}) as NonNullable<typeof log.attributes>;
      return {
        ...log,
        message: redactor.text(String(log.message)) as typeof log.message,
        attributes: {
          ...(spanId === undefined ? {} : { "sentry.trace.parent_span_id": spanId }),
          ...attributes,
        },
      };
    },
  });
}
