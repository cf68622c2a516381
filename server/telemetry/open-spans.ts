import { SpanStatusCode } from "@opentelemetry/api";
import type { Span, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { attribute } from "#scenarios/names.ts";

/** Knows which spans have started and not ended, so that a crash can save them. */
export interface OpenSpans {
  readonly processor: SpanProcessor;
  /** Ends them all, newest first, as failed with `reason`. Returns how many. */
  readonly endAll: (reason: string) => number;
}

/** Makes an {@link OpenSpans}; its processor has to come before the one that sends. */
export function trackOpenSpans(): OpenSpans {
  const open = new Set<Span>();
  return {
    processor: {
      onStart: (span) => void open.add(span),
      onEnd: (span) => void open.delete(span as Span),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    },
    endAll(reason) {
      const newestFirst = [...open].reverse();
      for (const span of newestFirst) {
        span.setAttribute(attribute.crashed, true);
        span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
        span.end();
      }
      return newestFirst.length;
    },
  };
}
