import { type Attributes, type Context, createContextKey } from "@opentelemetry/api";
import type { SpanProcessor } from "@opentelemetry/sdk-trace-base";

/** https://opentelemetry.io/docs/specs/semconv/registry/attributes/user/ */
const userId = "user.id";
const key = createContextKey("lab.user");

/** The context of work for a signed-in user. Not baggage: who it is stays in this process. */
export const withUser = (context: Context, id: string): Context => context.setValue(key, id);

/** The user of a context as attributes; empty when nobody is signed in. */
export function userAttributes(context: Context): Attributes {
  const id = context.getValue(key);
  return typeof id === "string" ? { [userId]: id } : {};
}

/** Puts the user's opaque id on every span of their work. */
export const userToSpans: SpanProcessor = {
  onStart: (span, context) => void span.setAttributes(userAttributes(context)),
  onEnd() {},
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};
