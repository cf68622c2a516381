import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { Delivery } from "./delivery.ts";

/** Longest time a span waits that ended after its local root, or whose root is still running. */
const stragglerMs = 200;

/**
 * Sends spans as soon as their local root ends: the whole request goes out in one POST, and it can
 * be read a few milliseconds after the answer instead of at the next tick of a timer.
 */
export function sendAtLocalRoot(delivery: Delivery<ReadableSpan>): SpanProcessor {
  let immediate: NodeJS.Immediate | undefined;
  let straggler: NodeJS.Timeout | undefined;
  return {
    onStart() {},
    onEnd(span) {
      delivery.offer(span);
      const parent = span.parentSpanContext;
      if (parent === undefined || parent.isRemote === true) {
        immediate ??= setImmediate(() => {
          immediate = undefined;
          delivery.kick();
        });
        return;
      }
      straggler ??= setTimeout(() => {
        straggler = undefined;
        delivery.kick();
      }, stragglerMs).unref();
    },
    async forceFlush() {
      await delivery.flush(3000);
    },
    async shutdown() {
      await delivery.flush(3000);
      delivery.abandon();
    },
  };
}
