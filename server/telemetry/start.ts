import {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from "@opentelemetry/core";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { KoaInstrumentation } from "@opentelemetry/instrumentation-koa";
import { UndiciInstrumentation } from "@opentelemetry/instrumentation-undici";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableLogRecord } from "@opentelemetry/sdk-logs";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { BasicTracerProvider, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { traceService } from "#scenarios/names.ts";
import type { ServerEnv } from "../env.ts";
import { countDropped } from "../metrics.ts";
import { resendAttributes } from "../outbound/resend.ts";
import { awsInstrumentation } from "./aws.ts";
import { databaseStatusUnlessDropped, unlessDropped } from "./live-mutants.ts";
import { sendSoon } from "./log-delivery.ts";
import { trackOpenSpans } from "./open-spans.ts";
import { otlpDelivery } from "./otlp.ts";
import { countResends, isInsideOwnSpan } from "./outgoing-http.ts";
import { ownQueues } from "./own-queues.ts";
import { exposeQueues } from "./queue-metrics.ts";
import { createRedactor } from "./redact.ts";
import { redactSpans } from "./redact-spans.ts";
import { runBaggageToSpans } from "./run-baggage.ts";
import { setTelemetry } from "./running.ts";
import { createSampling } from "./sampling.ts";
import { linkSentry } from "./sentry.ts";
import { sentryDelivery } from "./sentry-delivery.ts";
import { Sentry } from "./sentry-sdk.ts";
import { sentryTracePropagator } from "./sentry-trace.ts";
import { serverSpans } from "./server-span.ts";
import { sendAtLocalRoot } from "./span-delivery.ts";
import { userToSpans } from "./user.ts";

/** A receiver that accepts and never answers costs this long per try. */
const exportTimeoutMs = 3000;

/** Starts OpenTelemetry, then links Sentry to it. Once per process. */
export function startTelemetry(env: ServerEnv): void {
  const redactor = createRedactor(secretsOf(env));
  const spanExporter = new OTLPTraceExporter({
    url: `${env.otlpEndpoint}/v1/traces`,
    timeoutMillis: exportTimeoutMs,
  });
  const sendSpans = (capacity?: number) =>
    otlpDelivery<ReadableSpan>(
      spanExporter,
      (count, reason) => countDropped("span", count, reason),
      capacity,
    );
  const spans = sendSpans();
  const logs = otlpDelivery<ReadableLogRecord>(
    new OTLPLogExporter({ url: `${env.otlpEndpoint}/v1/logs`, timeoutMillis: exportTimeoutMs }),
    (count, reason) => countDropped("log", count, reason),
  );
  const sentry = sentryDelivery((count, reason) => countDropped("sentry", count, reason));
  const resource = resourceOf(env);
  const own = ownQueues((capacity) => {
    const delivery = sendSpans(capacity);
    const provider = new BasicTracerProvider({
      ...{ resource, sampler: sampling.sampler },
      spanProcessors: [
        ...[runBaggageToSpans, userToSpans, redactSpans(redactor)],
        sendAtLocalRoot(delivery),
      ],
    });
    return { tracer: provider.getTracer("lab-server"), delivery };
  });
  exposeQueues({
    span: () => spans.size() + own.size(),
    log: logs.size,
    sentry: sentry.queue.size,
  });
  const openSpans = trackOpenSpans();
  const sampling = createSampling();
  const sdk = new NodeSDK({
    resource,
    autoDetectResources: false,
    sampler: sampling.sampler,
    textMapPropagator: propagator(),
    spanProcessors: [
      runBaggageToSpans,
      userToSpans,
      databaseStatusUnlessDropped,
      openSpans.processor,
      redactSpans(redactor),
      sampling.decideAtTail(sendAtLocalRoot(spans)),
    ],
    logRecordProcessors: [sendSoon(logs)],
    // Metrics are Prometheus's: without this the SDK would start an OTLP reader of its own.
    metricReaders: [],
    instrumentations: instrumentations(),
  });
  sdk.start();
  linkSentry(env, redactor, sentry.transport);
  setTelemetry({
    redactor,
    openSpans,
    openQueue: own.open,
    async flush(timeoutMs) {
      await Promise.all([
        spans.flush(timeoutMs),
        own.flush(timeoutMs),
        logs.flush(timeoutMs),
        Sentry.flush(timeoutMs).catch(() => false),
      ]);
    },
    stop() {
      spans.abandon();
      own.abandon();
      logs.abandon();
      sentry.queue.abandon();
    },
  });
}

/** One process of the app (https://opentelemetry.io/docs/specs/semconv/resource/). */
const resourceOf = ({ version }: ServerEnv) =>
  resourceFromAttributes({
    "service.name": traceService.server,
    "service.version": version,
    "service.instance.id": crypto.randomUUID(),
    "deployment.environment.name": "lab",
    "process.pid": process.pid,
    "process.runtime.name": "nodejs",
    "process.runtime.version": process.versions.node,
  });

/** W3C's headers count; who has only Sentry's is continued all the same. */
const propagator = () =>
  new CompositePropagator({
    propagators: [
      unlessDropped(new W3CTraceContextPropagator()),
      new W3CBaggagePropagator(),
      sentryTracePropagator,
    ],
  });

const instrumentations = () => [
  new HttpInstrumentation({
    ignoreIncomingRequestHook: ({ method, url = "" }) =>
      method === "OPTIONS" || /^\/(?:healthz|metrics)(?:[?/]|$)/.test(url),
    ignoreOutgoingRequestHook: isInsideOwnSpan,
    requestHook(span, request) {
      serverSpans.remember(span, request);
      countResends(span, request);
    },
  }),
  new KoaInstrumentation(),
  new UndiciInstrumentation({ startSpanHook: resendAttributes }),
  awsInstrumentation(),
];

/** Values that may stand nowhere in telemetry, whatever they are wrapped in. */
function secretsOf(env: ServerEnv): string[] {
  const passwords = [env.databaseUrl, env.faultDatabaseUrl, env.valkeyUrl].map(
    (url) => URL.parse(url)?.password ?? "",
  );
  const s3Secret = process.env.AWS_SECRET_ACCESS_KEY ?? "";
  return [
    ...[env.doorSecret, env.ticketKey, s3Secret, env.oidc.clientSecret, env.user.password],
    ...env.cookieKeys,
    ...passwords,
    ...passwords.map(decodeURIComponent),
  ];
}
