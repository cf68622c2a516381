import { type Span, trace } from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";

/** OpenTelemetry in this process, with its spans in a list. Once per test file. */
export interface RecordedSpans {
  /** Ended ones, in the order in which they ended. */
  readonly all: () => readonly ReadableSpan[];
  readonly named: (name: string) => readonly ReadableSpan[];
  readonly reset: () => void;
  /** Runs something as a request would: below a span of its own, which is in no list before it ends. */
  readonly within: <T>(work: (span: Span) => Promise<T>) => Promise<T>;
  readonly stop: () => Promise<void>;
}

export function recordSpans(): RecordedSpans {
  const exporter = new InMemorySpanExporter();
  const sdk = new NodeSDK({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
    autoDetectResources: false,
  });
  sdk.start();
  const all = () => exporter.getFinishedSpans();
  return {
    all,
    named: (name) => all().filter((span) => span.name === name),
    reset: () => exporter.reset(),
    within: (work) =>
      trace.getTracer("test").startActiveSpan("request", async (span) => {
        try {
          return await work(span);
        } finally {
          span.end();
        }
      }),
    stop: () => sdk.shutdown(),
  };
}
