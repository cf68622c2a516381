import { SpanStatusCode } from "@opentelemetry/api";
import {
  AlwaysOnSampler,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import { samplingOf } from "#scenarios/sampling.ts";

/** Traces that wait for their root, or are remembered for their stragglers, at most. */
const most = 5000;

/** A trace under a tail policy. */
interface Pending {
  readonly keepsAnyway: boolean;
  readonly spans: ReadableSpan[];
  failed: boolean;
  decided: "keep" | "drop" | undefined;
}

/** What samples the app's spans, and the processor that decides at the tail. */
export interface Sampling {
  readonly sampler: Sampler;
  /** Stands before `next`: a span reaches that one when its trace is kept. */
  readonly decideAtTail: (next: SpanProcessor) => SpanProcessor;
}

/**
 * Everything is kept, but for traces that begin under a policy of their own (see
 * `scenarios/sampling.ts`). Whatever has a parent follows it, so that no trace is kept in part.
 */
export function createSampling(): Sampling {
  const all = new AlwaysOnSampler();
  const pending = new Map<string, Pending>();

  function follow(traceId: string, keepsAnyway: boolean): void {
    pending.set(traceId, { keepsAnyway, spans: [], failed: false, decided: undefined });
    const oldest = pending.size > most ? pending.keys().next().value : undefined;
    if (oldest !== undefined) pending.delete(oldest);
  }

  const root: Sampler = {
    shouldSample(context, traceId) {
      const policy = samplingOf(context);
      if (policy === undefined) return all.shouldSample();
      const ratio = new TraceIdRatioBasedSampler(policy.ratio).shouldSample(context, traceId);
      switch (policy.decided) {
        case "head":
          return ratio;
        case "tail": {
          const decision = all.shouldSample();
          follow(traceId, ratio.decision === decision.decision);
          return decision;
        }
      }
    },
    toString: () => "policy of the context, else always on",
  };

  return {
    sampler: new ParentBasedSampler({ root }),
    decideAtTail: (next) => ({
      onStart: (span, context) => next.onStart(span, context),
      onEnd(span) {
        const trace = pending.get(span.spanContext().traceId);
        if (trace === undefined || trace.decided === "keep") {
          next.onEnd(span);
          return;
        }
        if (trace.decided === "drop") return;
        trace.spans.push(span);
        trace.failed ||= span.status.code === SpanStatusCode.ERROR;
        if (span.parentSpanContext !== undefined) return;
        trace.decided = trace.keepsAnyway || trace.failed ? "keep" : "drop";
        const spans = trace.spans.splice(0);
        if (trace.decided === "keep") for (const one of spans) next.onEnd(one);
      },
      forceFlush: () => next.forceFlush(),
      shutdown: () => next.shutdown(),
    }),
  };
}
