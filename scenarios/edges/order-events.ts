/** What is told of an order. */
export interface OrderPlaced {
  readonly orderId: number;
  readonly customerId: number;
  readonly totalCents: number;
}

/** Orders as they are placed, over Valkey's publish and subscribe. */
export interface OrderEvents {
  /** Resolves with the number of subscribers that got it. The trace context travels in the payload. */
  readonly publish: (order: OrderPlaced) => Promise<number>;
  /**
   * Calls `handle` for each order, in a span `process orders` that is linked to the publisher's.
   * Resolves, once subscribed, with the function that ends it.
   */
  readonly subscribe: (
    handle: (order: OrderPlaced) => Promise<void>,
  ) => Promise<() => Promise<void>>;
}
