import { context } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import { createDelivery, type Delivery, type DropReason, type Outcome } from "./delivery.ts";
import { Sentry } from "./sentry-sdk.ts";

type TransportOptions = Parameters<typeof Sentry.makeNodeTransport>[0];
type Transport = ReturnType<typeof Sentry.makeNodeTransport>;
type Envelope = Parameters<Transport["send"]>[0];

/** Envelopes kept while nobody takes them: events, and log lines by the request. */
const capacity = 1000;
/** Below the 64 requests that the SDK's transport has under way at most. */
const atOnce = 50;
/** Besides no answer at all: these say that the receiver will be back. */
const comesBack = new Set([502, 503, 504]);

/** The SDK's transport behind a bounded queue that is kept until the receiver is back. */
export interface SentryDelivery {
  readonly queue: Delivery<Envelope>;
  /** For `Sentry.init`. */
  readonly transport: (options: TransportOptions) => Transport;
}

/**
 * The SDK tries each envelope once, and one that meets an absent receiver is gone. Here it waits,
 * as spans and log records do, and goes out in the order in which it was made.
 */
export function sentryDelivery(
  onDrop: (count: number, reason: DropReason) => void,
): SentryDelivery {
  let send = (_: Envelope): Promise<Outcome> => Promise.resolve("retry");
  const done = new WeakSet<Envelope>();
  const sendOnce = async (envelope: Envelope): Promise<Outcome> => {
    if (done.has(envelope)) return "delivered";
    const outcome = await send(envelope).catch((): Outcome => "retry");
    if (outcome === "rejected") onDrop(1, outcome);
    if (outcome !== "retry") done.add(envelope);
    return outcome;
  };
  const queue = createDelivery<Envelope>({
    ...{ capacity, batchSize: atOnce, firstBackoffMs: 250, maxBackoffMs: 2000, onDrop },
    // A batch of one request each: of one that is tried again, only what nobody took is sent again.
    send: async (batch) =>
      (await Promise.all(batch.map(sendOnce))).includes("retry") ? "retry" : "delivered",
    schedule(ms, callback) {
      const timer = setTimeout(callback, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
  });
  return {
    queue,
    transport(options) {
      const own = Sentry.makeNodeTransport({
        ...options,
        // Tried again, so not lost: the queue counts what is.
        recordDroppedEvent: (reason, ...rest) => {
          if (reason !== "network_error") options.recordDroppedEvent(reason, ...rest);
        },
      });
      // The SDK's own suppression does not reach OpenTelemetry: its POSTs would become spans.
      send = (envelope) =>
        context.with(suppressTracing(context.active()), async () => {
          const { statusCode = 200 } = await own.send(envelope);
          if (comesBack.has(statusCode)) return "retry";
          return statusCode < 400 || statusCode === 429 ? "delivered" : "rejected";
        });
      return {
        ...own,
        send(envelope) {
          queue.offer(envelope);
          queue.kick();
          return Promise.resolve({});
        },
        flush: (timeoutMs = 2000) => queue.flush(timeoutMs),
      };
    },
  };
}
