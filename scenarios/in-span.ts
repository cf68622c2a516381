import { type Span, type SpanOptions, SpanStatusCode, type Tracer } from "@opentelemetry/api";

/** How a piece of work is told in the trace. */
export interface SpanOfWork extends SpanOptions {
  readonly name: string;
  /** Message of the error status when the work fails; without it the status stays unset. */
  readonly failure?: string;
}

/** Does a piece of work in a span of its own, which ends with it. What it rejects with is passed on. */
export const inSpan = <T>(
  tracer: Tracer,
  { name, failure, ...options }: SpanOfWork,
  work: (span: Span) => Promise<T>,
): Promise<T> =>
  tracer.startActiveSpan(name, options, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
      throw error;
    } finally {
      span.end();
    }
  });
