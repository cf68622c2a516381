/** `retry`: the receiver is away, try again later. `rejected`: it will never take this. */
export type Outcome = "delivered" | "retry" | "rejected";
export type DropReason = "queue_full" | "rejected" | "shutdown";

export interface DeliveryOptions<T> {
  /** Items kept at most, the batch under way included. Beyond it the oldest go. */
  readonly capacity: number;
  readonly batchSize: number;
  readonly send: (batch: readonly T[]) => Promise<Outcome>;
  readonly onDrop: (count: number, reason: DropReason) => void;
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  /** Calls back once after `ms`; the result cancels it. */
  readonly schedule: (ms: number, callback: () => void) => () => void;
}

/**
 * A bounded queue in front of a receiver that may be away. The SDK's batch processor forgets a
 * batch whose export failed; here it stays at the head until it is taken, rejected or pushed out.
 */
export interface Delivery<T> {
  readonly offer: (item: T) => void;
  /**
   * Sends what is there now, as soon as nothing else is under way. What is offered later waits for a
   * kick of its own: a queue that sent whatever came meanwhile would send it one by one.
   */
  readonly kick: () => void;
  /** Sends everything, without waiting for the back-off. Resolves with whether all went out in time. */
  readonly flush: (timeoutMs: number) => Promise<boolean>;
  /** Gives up what is left and counts it. */
  readonly abandon: () => void;
  readonly size: () => number;
}

/** Makes a {@link Delivery}. Every item is in the end delivered or counted by `onDrop`, once. */
export function createDelivery<T>(options: DeliveryOptions<T>): Delivery<T> {
  const items: T[] = [];
  let inFlight = 0;
  /** The first so many have been asked for. */
  let due = 0;
  let closed = false;
  let backoffMs = options.firstBackoffMs;
  let cancelBackoff: (() => void) | undefined;
  let idle: (() => void)[] = [];

  function take(count: number): void {
    items.splice(0, count);
    due = Math.max(0, due - count);
    inFlight = 0;
  }

  function settle(outcome: Outcome, count: number): void {
    if (closed) return;
    switch (outcome) {
      case "delivered":
        take(count);
        backoffMs = options.firstBackoffMs;
        pump();
        return;
      case "rejected":
        take(count);
        options.onDrop(count, "rejected");
        pump();
        return;
      case "retry":
        inFlight = 0;
        cancelBackoff = options.schedule(backoffMs, () => {
          cancelBackoff = undefined;
          pump();
        });
        backoffMs = Math.min(backoffMs * 2, options.maxBackoffMs);
        return;
    }
  }

  function pump(): void {
    if (inFlight > 0 || cancelBackoff !== undefined || closed) return;
    if (items.length === 0) {
      for (const resolve of idle.splice(0)) resolve();
      return;
    }
    if (due === 0 && idle.length === 0) return;
    const batch = items.slice(0, options.batchSize);
    inFlight = batch.length;
    options.send(batch).then(
      (outcome) => settle(outcome, batch.length),
      () => settle("retry", batch.length),
    );
  }

  return {
    offer(item) {
      if (closed) {
        options.onDrop(1, "shutdown");
        return;
      }
      items.push(item);
      const excess = items.length - options.capacity;
      // The batch under way may still arrive: what is pushed out comes after it.
      if (excess > 0) {
        items.splice(inFlight, excess);
        due = Math.min(due, items.length);
        options.onDrop(excess, "queue_full");
      }
    },
    kick() {
      due = items.length;
      pump();
    },
    flush(timeoutMs) {
      if (items.length === 0 || closed) return Promise.resolve(items.length === 0);
      return new Promise((resolve) => {
        const done = () => {
          cancel();
          resolve(true);
        };
        const cancel = options.schedule(timeoutMs, () => {
          idle = idle.filter((waiting) => waiting !== done);
          resolve(false);
        });
        idle.push(done);
        cancelBackoff?.();
        cancelBackoff = undefined;
        pump();
      });
    },
    abandon() {
      if (closed) return;
      closed = true;
      cancelBackoff?.();
      if (items.length > 0) options.onDrop(items.length, "shutdown");
      items.length = 0;
      for (const resolve of idle.splice(0)) resolve();
    },
    size: () => items.length,
  };
}
