import type { Attributes } from "@opentelemetry/api";
import type { SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { type Redactor, redacted } from "./redact.ts";

/** Takes secrets out of ended spans; has to come before the processor that sends. */
export function redactSpans(redactor: Redactor): SpanProcessor {
  return {
    onStart() {},
    onEnd(span) {
      redactAttributes(redactor, span.attributes);
      for (const event of span.events) {
        if (event.attributes !== undefined) redactAttributes(redactor, event.attributes);
      }
      if (span.status.message !== undefined) {
        span.status.message = redactor.text(span.status.message);
      }
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}

/** `url.query` comes without its question mark, which the patterns for URLs look for. */
const isQuery = (key: string): boolean => key === "url.query";

function redactAttributes(redactor: Redactor, attributes: Attributes): void {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "string") {
      const clean = isQuery(key) ? redactor.text(`?${value}`).slice(1) : redactor.text(value);
      if (clean !== value) attributes[key] = clean;
    } else if (Array.isArray(value)) {
      attributes[key] = value.map((item) =>
        typeof item === "string" ? redactor.text(item) : item,
      ) as string[];
    } else if (typeof value === "object") {
      attributes[key] = redacted;
    }
  }
}
