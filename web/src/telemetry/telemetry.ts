import {
  type Attributes,
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { FetchInstrumentation } from "@opentelemetry/instrumentation-fetch";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { WebTracerProvider } from "@opentelemetry/sdk-trace-web";
import {
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
  ATTR_USER_AGENT_ORIGINAL,
} from "@opentelemetry/semantic-conventions";
import { routes } from "#lab/api/routes.ts";
import { traceService } from "#scenarios/names.ts";
import { AmbientContextManager } from "./ambient-context.ts";
import { flushSentry, linkSentry, reportError, startSentry } from "./errors.ts";
import { FlushOnRoot } from "./flush-on-root.ts";
import { openLogs, type PageLogs } from "./logs.ts";
import { startPageLoad } from "./page-load.ts";
import { redactUrls } from "./redact.ts";
import { clickedFrame, type Latency, nextClick, traceLongFrames } from "./responsiveness.ts";
import { reportWebVitals, tellVital, vitalsPath } from "./web-vitals.ts";

const release = "lab-web@0.1.0";
const contextManager = new AmbientContextManager();
let spans: FlushOnRoot | undefined;
let logs: PageLogs | undefined;

/** Starts tracing, then Sentry. Anything that goes wrong here is told to the console and ignored. */
export function startTelemetry(): void {
  try {
    startTracing();
    startSentry(routes.ingestEnvelope, release, (error) => logs?.tellError(error));
    const tracer = trace.getTracer(traceService.web);
    const pageLoad = startPageLoad(tracer);
    linkSentry(pageLoad.spanContext());
    if (logs !== undefined) {
      reportWebVitals({ tracer, logger: logs.logger }, pageLoad);
    }
    addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") void flushTelemetry(1000);
    });
  } catch (error) {
    console.warn("the page goes on without telemetry", error);
  }
}

function startTracing(): void {
  spans = new FlushOnRoot(
    new OTLPTraceExporter({ url: `${location.origin}${routes.ingestTraces}` }),
  );
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: traceService.web,
    [ATTR_SERVICE_VERSION]: release.split("@")[1] ?? "",
    [ATTR_USER_AGENT_ORIGINAL]: navigator.userAgent,
  });
  logs = openLogs(traceService.web, `${location.origin}${routes.ingestLogs}`, resource);
  const provider = new WebTracerProvider({
    resource,
    spanProcessors: [redactUrls, spans],
  });
  provider.register({
    contextManager,
    propagator: new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
  });
  const instrumentation = new FetchInstrumentation({
    ignoreUrls: [/\/lab\//, new RegExp(`${vitalsPath}$`)],
    clearTimingResources: true,
    applyCustomAttributesOnSpan: (span) => {
      const endedAt = Date.now();
      // The instrumentation waits 300 ms for resource timings before it ends the span: by then its
      // parent is exported. Its final attributes are set in the same task, right after this hook.
      queueMicrotask(() => span.end(endedAt));
    },
  });
  instrumentation.setTracerProvider(provider);
}

/** What runs inside an interaction gets: its span, and a fetch that always belongs to it. */
export interface Interaction {
  readonly span: Span;
  /** Undefined when tracing could not start. */
  readonly traceId: string | undefined;
  readonly fetch: typeof fetch;
}

export interface InteractionOptions {
  readonly attributes?: Attributes;
  /** Travels with every request of the interaction. */
  readonly baggage?: Readonly<Record<string, string>>;
}

/**
 * Runs `work` in a new trace whose root span is `name`; Sentry events and logs of that time, and
 * later ones up to the next interaction, carry its trace id. A failure marks the span and is thrown on.
 */
export async function interaction<T>(
  name: string,
  { attributes = {}, baggage = {} }: InteractionOptions,
  work: (it: Interaction) => Promise<T>,
): Promise<T> {
  const span = trace.getTracer(traceService.web).startSpan(name, { attributes }, ROOT_CONTEXT);
  const entries = Object.entries(baggage).map(([key, value]) => [key, { value }] as const);
  const own = propagation.setBaggage(
    trace.setSpan(ROOT_CONTEXT, span),
    propagation.createBaggage(Object.fromEntries(entries)),
  );
  const leave = contextManager.enter(own);
  linkSentry(span.spanContext());
  try {
    return await context.with(own, () =>
      work({
        span,
        traceId: isSpanContextValid(span.spanContext()) ? span.spanContext().traceId : undefined,
        fetch: (input, init) => context.with(own, () => fetch(input, init)),
      }),
    );
  } catch (error) {
    span.recordException(error instanceof Error ? error : String(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
    reportError(error);
    throw error;
  } finally {
    leave();
    span.end();
  }
}

/**
 * Waits for the next real click on `target` and tells its latency as INP of the span that is active
 * now, with the long animation frames of that time. Resolves when the app has heard of it.
 */
export async function measureClick(target: Element): Promise<Latency> {
  const parent = context.active();
  const over = new AbortController();
  const tracer = trace.getTracer(traceService.web);
  const frame = clickedFrame();
  traceLongFrames(tracer, parent, over.signal, frame.onFrame);
  try {
    const click = await nextClick(target, over.signal);
    const { latency } = click;
    if (logs !== undefined) {
      await tellVital({ tracer, logger: logs.logger }, parent, { name: "INP", ...latency });
    }
    await frame.of(click);
    return latency;
  } finally {
    over.abort();
  }
}

/**
 * Resolves when ended spans and queued Sentry items have left, or when the time is over: where
 * something blocks them, the exporter alone would try for ten seconds. Never rejects.
 */
export async function flushTelemetry(timeoutMs = 2000): Promise<void> {
  const left = Promise.allSettled([spans?.forceFlush(), logs?.flush(), flushSentry(timeoutMs)]);
  await Promise.race([left, new Promise((resolve) => setTimeout(resolve, timeoutMs))]);
}
