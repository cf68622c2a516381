import fc from "fast-check";
import { expect, test } from "vitest";
import { createDelivery, type DropReason, type Outcome } from "./delivery.ts";

/** A clock that stands still until told, and a receiver that is away while told. */
function world(capacity = 20_000, batchSize = 512) {
  let now = 0;
  let timers: { readonly at: number; readonly run: () => void }[] = [];
  const delivered: number[] = [];
  const dropped: Record<DropReason, number> = { queue_full: 0, rejected: 0, shutdown: 0 };
  const batches: number[] = [];
  let receive: (batch: readonly number[]) => Promise<Outcome> = async () => "delivered";
  const schedule = (ms: number, run: () => void) => {
    const timer = { at: now + ms, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  };
  const delivery = createDelivery<number>({
    capacity,
    batchSize,
    firstBackoffMs: 250,
    maxBackoffMs: 2000,
    schedule,
    onDrop: (count, reason) => {
      dropped[reason] += count;
    },
    send: async (batch) => {
      batches.push(batch.length);
      const outcome = await receive(batch);
      if (outcome === "delivered") delivered.push(...batch);
      return outcome;
    },
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    delivery,
    delivered,
    dropped,
    batches,
    schedule,
    receiver: (next: typeof receive) => {
      receive = next;
    },
    async pass(ms: number) {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = timers.sort((a, b) => a.at - b.at)[0];
        if (next === undefined || next.at > end) break;
        now = next.at;
        timers = timers.filter((timer) => timer !== next);
        next.run();
      }
      now = end;
      await settle();
    },
  };
}

const refuse = async (): Promise<Outcome> => "retry";

test.each([
  ["refused", () => refuse],
  [
    "hanging",
    (w: ReturnType<typeof world>) => () =>
      new Promise<Outcome>((resolve) => void w.schedule(3000, () => resolve("retry"))),
  ],
])("45 s without a receiver at 100 per second lose nothing (%s)", async (_, away) => {
  const w = world();
  w.receiver(away(w));
  for (let item = 0; item < 4500; item++) {
    w.delivery.offer(item);
    w.delivery.kick();
    if (item % 10 === 9) await w.pass(100);
  }
  expect(w.delivered).toEqual([]);
  w.receiver(async () => "delivered");
  await w.pass(10_000);
  expect(w.delivered).toEqual(Array.from({ length: 4500 }, (_, n) => n));
  expect(w.dropped).toEqual({ queue_full: 0, rejected: 0, shutdown: 0 });
  expect(Math.max(...w.batches)).toBeLessThanOrEqual(512);
});

test("beyond its capacity the oldest go, and each is counted", async () => {
  const w = world(1000, 100);
  w.receiver(refuse);
  for (let item = 0; item < 5000; item++) w.delivery.offer(item);
  expect(w.delivery.size()).toBe(1000);
  expect(w.dropped.queue_full).toBe(4000);
  w.receiver(async () => "delivered");
  w.delivery.kick();
  await w.pass(5000);
  expect(w.delivered).toEqual(Array.from({ length: 1000 }, (_, n) => 4000 + n));
});

test("what arrives during a POST goes out with the next one", async () => {
  const w = world();
  let answer: (outcome: Outcome) => void = () => {};
  w.receiver(
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  w.delivery.offer(1);
  w.delivery.kick();
  for (let item = 2; item <= 40; item++) {
    w.delivery.offer(item);
    w.delivery.kick();
  }
  expect(w.batches).toEqual([1]);
  answer("delivered");
  await w.pass(0);
  expect(w.batches).toEqual([1, 39]);
});

test("what nobody asked for yet waits for its own kick, or for a flush", async () => {
  const w = world();
  w.delivery.offer(1);
  w.delivery.kick();
  w.delivery.offer(2);
  w.delivery.offer(3);
  await w.pass(0);
  expect(w.batches).toEqual([1]);
  w.delivery.kick();
  w.delivery.offer(4);
  await w.pass(0);
  expect(w.batches).toEqual([1, 2]);
  const flushed = w.delivery.flush(1000);
  w.delivery.offer(5);
  await w.pass(0);
  expect(await flushed).toBe(true);
  expect(w.delivered).toEqual([1, 2, 3, 4, 5]);
});

test("what the receiver will never take is given up at once, and the rest goes on", async () => {
  const w = world(100, 10);
  w.receiver(async (batch) => (batch.includes(5) ? "rejected" : "delivered"));
  for (let item = 0; item < 30; item++) w.delivery.offer(item);
  w.delivery.kick();
  await w.pass(0);
  expect(w.dropped.rejected).toBe(10);
  expect(w.delivered).toHaveLength(20);
});

test("a flush does not wait for the back-off, and ends in time when nobody answers", async () => {
  const w = world();
  w.receiver(refuse);
  w.delivery.offer(1);
  w.delivery.kick();
  await w.pass(0);
  const hopeless = w.delivery.flush(1000);
  await w.pass(1000);
  expect(await hopeless).toBe(false);
  w.receiver(async () => "delivered");
  const flushed = w.delivery.flush(1000);
  await w.pass(0);
  expect(await flushed).toBe(true);
  expect(w.delivered).toEqual([1]);
});

test("everything is delivered or counted, once, whatever happens in which order", async () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant("offer" as const), count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({
      kind: fc.constant("receiver" as const),
      outcome: fc.constantFrom<Outcome>("delivered", "retry", "rejected"),
    }),
    fc.constant({ kind: "flush" as const }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
      const w = world(100, 16);
      let offered = 0;
      for (const happening of events) {
        switch (happening.kind) {
          case "offer":
            for (let n = 0; n < happening.count; n++) w.delivery.offer(offered++);
            w.delivery.kick();
            break;
          case "pass":
            await w.pass(happening.ms);
            break;
          case "receiver": {
            const { outcome } = happening;
            w.receiver(async () => outcome);
            break;
          }
          case "flush":
            void w.delivery.flush(500);
            break;
        }
        expect(w.delivery.size()).toBeLessThanOrEqual(100);
      }
      await w.pass(5000);
      w.delivery.abandon();
      const lost = w.dropped.queue_full + w.dropped.rejected + w.dropped.shutdown;
      expect(w.delivered.length + lost).toBe(offered);
      expect(new Set(w.delivered).size).toBe(w.delivered.length);
      expect(w.delivered).toEqual([...w.delivered].sort((a, b) => a - b));
    }),
    { numRuns: 60 },
  );
});
