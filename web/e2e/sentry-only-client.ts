/**
 * A client that knows Sentry and nothing of OpenTelemetry: the SDK traces by itself and sends
 * `sentry-trace`, no `traceparent`. Run as a process of its own, since the SDK patches `fetch`.
 * Takes the lab's origin; prints the trace id.
 */
import * as Sentry from "@sentry/node";

const origin = process.argv[2] ?? "";
Sentry.init({
  dsn: `${origin.replace("://", "://client@")}/1`,
  tunnel: `${origin}/lab/ingest/envelope`,
  tracesSampleRate: 1,
});
const traceId = await Sentry.startSpan({ name: "open the catalogue" }, async (span) => {
  const response = await fetch(`${origin}/api/products`);
  await response.text();
  Sentry.captureMessage(`the catalogue answered ${response.status}`);
  return span.spanContext().traceId;
});
await Sentry.flush(5000);
console.log(traceId);
