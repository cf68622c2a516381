import { ClientRequest } from "node:http";
import { type Span, SpanKind, trace } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { ATTR_HTTP_REQUEST_RESEND_COUNT } from "@opentelemetry/semantic-conventions";

const scope = "@opentelemetry/instrumentation-http";

/**
 * `ignoreOutgoingRequestHook` of the HTTP instrumentation. It wraps `http.request` once as an ES
 * module and once as a CommonJS module, which are one function here: without this, each request of
 * the AWS SDK would be two spans. While an HTTP client span is active, its own request is being made.
 */
export function isInsideOwnSpan(): boolean {
  const active = trace.getActiveSpan() as Partial<ReadableSpan> | undefined;
  return active?.kind === SpanKind.CLIENT && active.instrumentationScope?.name === scope;
}

/** `requestHook` of the HTTP instrumentation: the AWS SDK tells in a header which attempt a request is. */
export function countResends(span: Span, request: object): void {
  if (!(request instanceof ClientRequest)) return;
  const attempt = Number(/^attempt=(\d+)/.exec(String(request.getHeader("amz-sdk-request")))?.[1]);
  if (attempt > 1) span.setAttribute(ATTR_HTTP_REQUEST_RESEND_COUNT, attempt - 1);
}
