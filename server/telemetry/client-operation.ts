import { context, type Span, trace } from "@opentelemetry/api";
import { ATTR_ERROR_TYPE } from "@opentelemetry/semantic-conventions";
import { errorTypeOf } from "../error-type.ts";
import { observeOperation } from "../metrics.ts";
import { recordFailure } from "./span-outcome.ts";

/** One operation of a database client under way. */
export interface ClientOperation {
  /** Undefined outside a trace, where nobody would find it. */
  readonly span: Span | undefined;
  /** Ends the span, observes the duration and gives the exemplar its span. */
  readonly succeed: () => void;
  /** As {@link succeed}, with the error's type on span and metric. */
  readonly fail: (error: unknown) => void;
}

/** @param open starts the CLIENT span, below the active one. */
export function startOperation(
  labels: Omit<Parameters<typeof observeOperation>[0], "errorType">,
  open: () => Span,
): ClientOperation {
  const span = trace.getActiveSpan() === undefined ? undefined : open();
  const startedAt = performance.now();
  const measured = span === undefined ? context.active() : trace.setSpan(context.active(), span);
  const observe = (errorType: string | undefined): void =>
    context.with(measured, () =>
      observeOperation({ ...labels, errorType }, (performance.now() - startedAt) / 1000),
    );
  return {
    span,
    succeed() {
      observe(undefined);
      span?.end();
    },
    fail(error) {
      const errorType = errorTypeOf(error);
      observe(errorType);
      if (span === undefined) return;
      span.setAttribute(ATTR_ERROR_TYPE, errorType);
      recordFailure(span, error);
      span.end();
    },
  };
}
