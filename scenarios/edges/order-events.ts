/** What is told of an order. */
export interface OrderPlaced {
  readonly orderId: number;
  readonly customerId: number;
  readonly totalCents: number;
}

export interface Subscribing {
  /**
   * `link`: each message is processed in a trace of its own, linked to the publisher's span.
   * `child`: in the publisher's trace, below its span, and linked as well. Default `link`.
   */
  readonly relation?: "link" | "child";
}

/** Orders as they are placed, over Valkey's publish and subscribe. */
export interface OrderEvents {
  /**
   * Resolves with the number of subscribers that got it. The trace context travels in the payload.
   * Rejects when Valkey is away: nobody hears of it then.
   */
  readonly publish: (order: OrderPlaced) => Promise<number>;
  /**
   * Calls `handle` for each order, in a span `process orders` that is linked to the publisher's.
   * Resolves, once subscribed, with the function that ends it. A connection that was lost is made
   * and subscribed anew; what was published meanwhile is lost.
   */
  readonly subscribe: (
    handle: (order: OrderPlaced) => Promise<void>,
    options?: Subscribing,
  ) => Promise<() => Promise<void>>;
}
