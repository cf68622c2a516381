// What a real Sentry SDK sends: an error inside an OpenTelemetry span, a log, a metric, a message.
import { trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { node, tracing } from "@opentelemetry/sdk-node";
import * as Sentry from "@sentry/node";

const url = process.argv[2];
const dsn = `${url.replace("http://", "http://lab@")}/1`;
const exporter = new OTLPTraceExporter(Sentry.getOtlpTracesEndpoint(dsn));
const provider = new node.NodeTracerProvider({
  spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
});
provider.register();
Sentry.init({ dsn, release: "1.0.0", integrations: (all) => [...all, Sentry.openTelemetryIntegration()] });
trace.getTracer("test").startActiveSpan("GET /fail", { kind: 1 }, (span) => {
  Sentry.captureException(new TypeError("outer", { cause: new Error("inner") }));
  Sentry.captureMessage("hello", "warning");
  Sentry.logger.warn("a log line", { order: 7 });
  Sentry.metrics.count("clicks", 1);
  span.end();
  process.stdout.write(span.spanContext().traceId);
});
await provider.forceFlush();
await Sentry.close(5000);
