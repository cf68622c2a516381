import { type Attributes, type Context, context, createContextKey } from "@opentelemetry/api";
import { ATTR_HTTP_REQUEST_RESEND_COUNT } from "@opentelemetry/semantic-conventions";

const key = createContextKey("lab.http.resend_count");

/** The context for a call that was made `count` times before. */
export const withResendCount = (parent: Context, count: number): Context =>
  parent.setValue(key, count);

/** `startSpanHook` of the client instrumentation: tells a call that is made again from the first one. */
export function resendAttributes(): Attributes {
  const count = context.active().getValue(key);
  return typeof count === "number" && count > 0 ? { [ATTR_HTTP_REQUEST_RESEND_COUNT]: count } : {};
}
