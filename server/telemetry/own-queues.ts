import type { Tracer } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import type { Delivery } from "./delivery.ts";

/** A tracer whose spans wait for the collector in a queue of their own. */
export interface OwnQueue {
  readonly tracer: Tracer;
  /** Sends what waits. Resolves with whether all of it went out within `timeoutMs`. */
  readonly drain: (timeoutMs: number) => Promise<boolean>;
  /** No more spans will come. What waits is still sent, as long as the process lives. */
  readonly close: () => void;
}

/** All such queues that are open or not empty yet. */
export interface OwnQueues {
  readonly open: (capacity: number) => OwnQueue;
  readonly size: () => number;
  readonly flush: (timeoutMs: number) => Promise<void>;
  /** Gives up what is left and counts it. */
  readonly abandon: () => void;
}

/** @param start makes a queue and the tracer whose spans go into it. */
export function ownQueues(
  start: (capacity: number) => {
    readonly tracer: Tracer;
    readonly delivery: Delivery<ReadableSpan>;
  },
): OwnQueues {
  const deliveries = new Map<Delivery<ReadableSpan>, "open" | "closed">();
  const living = (): readonly Delivery<ReadableSpan>[] => {
    for (const [delivery, state] of deliveries) {
      if (state === "closed" && delivery.size() === 0) deliveries.delete(delivery);
    }
    return [...deliveries.keys()];
  };
  return {
    open(capacity) {
      const { tracer, delivery } = start(capacity);
      deliveries.set(delivery, "open");
      return {
        tracer,
        drain: delivery.flush,
        close: () => void deliveries.set(delivery, "closed"),
      };
    },
    size: () => living().reduce((sum, delivery) => sum + delivery.size(), 0),
    async flush(timeoutMs) {
      await Promise.all(living().map((delivery) => delivery.flush(timeoutMs)));
    },
    abandon() {
      for (const delivery of living()) delivery.abandon();
    },
  };
}
