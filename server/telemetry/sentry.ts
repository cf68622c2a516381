import { context, ProxyTracerProvider, trace } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import * as Sentry from "@sentry/node";
import type { ServerEnv } from "../env.ts";
import type { Redactor } from "./redact.ts";

/**
 * Left out on purpose. `Dedupe` drops the second of two equal errors, and here people repeat a
 * fault to look at it. The two process handlers would exit before the open spans are saved.
 * `Koa` would report errors that the app reports itself. `ProcessSession` sends release-health
 * items that nobody asked for. `Console` would repeat every log line as a breadcrumb.
 */
const leftOut = [
  "Dedupe",
  "OnUncaughtException",
  "OnUnhandledRejection",
  "Koa",
  "ProcessSession",
  "Console",
];

/**
 * Starts Sentry beside OpenTelemetry: errors and logs only, on the active OpenTelemetry span.
 * Tracing stays off, because any active Sentry span would win over OpenTelemetry's ids.
 * @throws when OpenTelemetry is not running yet: Sentry would then keep ids of its own.
 */
export function linkSentry(env: ServerEnv, redactor: Redactor): void {
  const provider = trace.getTracerProvider();
  if (
    provider instanceof ProxyTracerProvider &&
    provider.getDelegate().constructor.name === "NoopTracerProvider"
  ) {
    throw new Error("Sentry must be linked after OpenTelemetry has started");
  }
  Sentry.init({
    dsn: env.sentryDsn,
    environment: "lab",
    release: `observability-lab@${env.version}`,
    serverName: "lab-server",
    sendClientReports: true,
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
      Sentry.openTelemetryIntegration(),
    ],
    // The SDK's own suppression does not reach OpenTelemetry: its POSTs would become spans.
    transport: (options) => {
      const transport = Sentry.makeNodeTransport(options);
      return {
        ...transport,
        send: (envelope) =>
          context.with(suppressTracing(context.active()), () => transport.send(envelope)),
      };
    },
    beforeSend: (event) => redactor.data(event) as typeof event,
    beforeBreadcrumb: (breadcrumb) => redactor.data(breadcrumb) as typeof breadcrumb,
    beforeSendLog(log) {
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
