import { IncomingMessage } from "node:http";
import { type Span, SpanKind } from "@opentelemetry/api";

const spans = new WeakMap<IncomingMessage, Span>();

/**
 * The SERVER span of a request. Inside Koa the active span is that of the middleware, but the
 * answer's `traceresponse` and the failure of the whole request belong to this one.
 */
export const serverSpans = {
  /** `requestHook` of the HTTP instrumentation. Outgoing requests pass by here too. */
  remember(span: Span, request: object): void {
    if (request instanceof IncomingMessage && "kind" in span && span.kind === SpanKind.SERVER) {
      spans.set(request, span);
    }
  },
  of: (request: IncomingMessage): Span | undefined => spans.get(request),
};
