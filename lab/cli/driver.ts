import {
  context as contextApi,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  type ReadableSpan,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_SERVICE_NAME,
  ATTR_URL_FULL,
} from "@opentelemetry/semantic-conventions";
import { routes } from "#lab/api/routes.ts";
import type { CreatedRun, Observation } from "#lab/api/run-request.ts";
import type { Mode } from "#scenarios/mode.ts";
import { attribute, header, rootSpanName, traceService } from "#scenarios/names.ts";
import { credentials, type LabAddress } from "./running-lab.ts";

export interface Driven {
  readonly traceId: string;
  /** `status` 0: the connection broke before an answer came. */
  readonly answer: NonNullable<Observation["answer"]>;
  /** Why the driver's own spans were not delivered; undefined when they were. */
  readonly undelivered: string | undefined;
}

/**
 * Drives a run as the service `lab-cli`: a root span, inside it the request that makes the scenario
 * happen. Resolves when the answer is there and both spans have been sent.
 */
export async function drive(
  lab: LabAddress,
  created: CreatedRun,
  scenario: { readonly id: string; readonly mode: Mode },
): Promise<Driven> {
  const finished: ReadableSpan[] = [];
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: traceService.cli }),
    // The user's OTEL_TRACES_SAMPLER is meant for other programs.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [gatherInto(finished)],
  });
  const tracer = provider.getTracer("lab.cli");
  const run = {
    [attribute.runId]: created.runId,
    [attribute.scenarioId]: scenario.id,
    [attribute.scenarioMode]: scenario.mode,
  };
  const url = new URL(created.drive.path, lab.origin);
  const root = tracer.startSpan(rootSpanName(scenario.id), { root: true, attributes: run });
  const request = tracer.startSpan(
    created.drive.method,
    {
      kind: SpanKind.CLIENT,
      attributes: {
        ...run,
        [ATTR_HTTP_REQUEST_METHOD]: created.drive.method,
        [ATTR_URL_FULL]: url.href,
        [ATTR_SERVER_ADDRESS]: url.hostname,
        [ATTR_SERVER_PORT]: Number(url.port),
      },
    },
    trace.setSpan(contextApi.active(), root),
  );
  const { leaveAfterMs } = created.drive;
  const patience = leaveAfterMs === undefined ? undefined : AbortSignal.timeout(leaveAfterMs);
  const answer = await send(lab, created, run, request, patience);
  // Whoever leaves on purpose has not failed.
  if (patience?.aborted && answer.status === 0) request.end();
  else endRequest(request, answer);
  root.end();
  const undelivered = await deliver(lab, finished);
  return { traceId: root.spanContext().traceId, answer, undelivered };
}

const gatherInto = (finished: ReadableSpan[]): SpanProcessor => ({
  onStart: () => {},
  onEnd: (span) => void finished.push(span),
  forceFlush: async () => {},
  shutdown: async () => {},
});

/** All spans in one request; resolves with why they were not taken, or undefined. */
async function deliver(
  lab: LabAddress,
  spans: readonly ReadableSpan[],
): Promise<string | undefined> {
  const exporter = new OTLPTraceExporter({
    url: new URL(routes.ingestTraces, lab.origin).href,
    headers: credentials(lab),
  });
  const { promise, resolve } = Promise.withResolvers<ExportResult>();
  exporter.export([...spans], resolve);
  const { code, error } = await promise;
  await exporter.shutdown();
  return code === ExportResultCode.SUCCESS ? undefined : (error?.message ?? "no reason given");
}

async function send(
  lab: LabAddress,
  created: CreatedRun,
  baggage: Readonly<Record<string, string>>,
  span: Span,
  patience: AbortSignal | undefined,
): Promise<Driven["answer"]> {
  const startedAt = performance.now();
  const { traceId, spanId } = span.spanContext();
  try {
    const response = await fetch(new URL(created.drive.path, lab.origin), {
      method: created.drive.method,
      redirect: "error",
      headers: {
        "content-type": "application/json",
        [header.csrf]: "1",
        ...credentials(lab),
        [header.ticket]: created.ticket,
        traceparent: `00-${traceId}-${spanId}-01`,
        baggage: Object.entries(baggage)
          .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
          .join(","),
      },
      body: "{}",
      ...(patience === undefined ? {} : { signal: patience }),
    });
    // The answer is over when its body is: a crash in between breaks the connection.
    await response.arrayBuffer();
    return { status: response.status, durationMs: performance.now() - startedAt };
  } catch (error) {
    const { message, cause } = error as Error;
    const text = cause instanceof Error ? cause.message : message;
    return { status: 0, durationMs: performance.now() - startedAt, error: text.slice(0, 500) };
  }
}

/** Status rules of HTTP client spans (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status). */
function endRequest(span: Span, { status, error }: Driven["answer"]): void {
  if (status > 0) span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
  if (status === 0 || status >= 400) {
    span.setAttribute(ATTR_ERROR_TYPE, status === 0 ? "connection" : String(status));
    span.setStatus({
      code: SpanStatusCode.ERROR,
      ...(error === undefined ? {} : { message: error }),
    });
  }
  span.end();
}
