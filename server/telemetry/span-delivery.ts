import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { Delivery } from "./delivery.ts";
import { gather } from "./gather.ts";

/** Longest time a span waits that ended after its local root, or whose root is still running. */
const stragglerMs = 200;

/**
 * Sends spans as soon as their local root ends: the whole request goes out in one POST, and it can
 * be read a few milliseconds after the answer instead of at the next tick of a timer.
 */
export function sendAtLocalRoot(delivery: Delivery<ReadableSpan>): SpanProcessor {
  let rootEnded = false;
  const sendStragglers = gather(stragglerMs, delivery.kick);
  return {
    onStart() {},
    onEnd(span) {
      delivery.offer(span);
      const parent = span.parentSpanContext;
      if (parent !== undefined && parent.isRemote !== true) sendStragglers();
      else if (!rootEnded) {
        rootEnded = true;
        setImmediate(() => {
          rootEnded = false;
          delivery.kick();
        });
      }
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
