import { defineScenario } from "../define.ts";
import type { OrderPlaced } from "../edges/order-events.ts";
import { choice, integer } from "../param-spec.ts";

/** What has to have arrived, whether its spans can be found or not. */
const everything = (params: { readonly messages: number; readonly subscribers: number }): number =>
  params.messages * params.subscribers;

export default defineScenario({
  id: "cache.pubsub-links",
  title: "Lost behind the queue",
  summary:
    "Orders are processed by subscribers; without the context in the payload nobody finds how.",
  story: `An order is placed, and others do the rest later: packing, billing, mail. Over HTTP the trace would follow by itself, because a header carries it. A message has no header unless somebody writes one. Whoever receives it works in a trace of its own that nothing leads to, and a failure there is nobody's.

In the fault the publisher forgets the envelope: the trace ends at \`PUBLISH\`. The subscribers work, the log line at the end counts them, and still no span of theirs is to be found from here, not even by the run's id, because baggage is lost together with the trace.

With the context in the payload each message is a \`publish orders\` span, and each subscriber opens \`process orders\`: a new trace with a span link to the publisher, because processing may come much later and many times. As a child it would be in the same trace, which reads well for a single consumer and makes traces without end for many. The link is there in both.`,
  params: {
    messages: integer({ label: "Orders", default: 5, min: 1, max: 100 }),
    subscribers: integer({ label: "Subscribers", default: 3, min: 1, max: 5 }),
    relation: choice({
      label: "Processing is, for the publisher, a",
      default: "link",
      options: ["link", "child"],
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["valkey"],
  async serve({ mode, params, sql, cache, orderEvents, log, signal }) {
    const expected = everything(params);
    const { promise: allHandled, resolve, reject } = Promise.withResolvers<void>();
    let handled = 0;
    const handle = async ({ orderId }: OrderPlaced): Promise<void> => {
      log.info({ orderId }, "order processed");
      handled += 1;
      if (handled === expected) resolve();
    };
    const subscriptions = await Promise.all(
      Array.from({ length: params.subscribers }, () =>
        // The control run keeps to the usual relation, whatever is tried out.
        orderEvents.subscribe(handle, mode === "fix" ? { relation: params.relation } : {}),
      ),
    );
    try {
      signal.addEventListener("abort", () => reject(new Error("some orders were not processed")), {
        once: true,
      });
      const orders = await sql<OrderPlaced[]>`
        select id as "orderId", customer_id as "customerId", total_cents as "totalCents"
        from orders where id <= ${params.messages} order by id`;
      for (const { orderId, customerId, totalCents } of orders) {
        const order = { orderId, customerId, totalCents };
        if (mode === "fault") await cache.client.publish("orders", JSON.stringify({ order }));
        else await orderEvents.publish(order);
      }
      await allHandled;
      log.info({ published: orders.length, handled }, "orders handed over");
      return { published: orders.length, handled };
    } finally {
      await Promise.all(subscriptions.map((end) => end()));
    }
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "PUBLISH",
        kind: "client",
        status: "unset",
        attributes: { "db.query.text": "PUBLISH orders ?" },
      },
      count: "${params.messages}",
      modes: ["fault", "control", "fix"],
      why: "Each order leaves the app as one command; the channel shows, the message does not.",
      hint: "A message in db.query.text is a leak: it holds customers' data.",
    },
    {
      signal: "span",
      select: { name: { in: ["publish orders", "process orders"] } },
      count: 0,
      why: "Without the envelope no span says what was published, and none of the work can be found.",
      hint: "Spans here mean that the context travelled after all.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      why: "The trace ends at the publisher, and looks complete.",
      hint: "More traces mean that the subscribers kept the run's id.",
    },
    {
      signal: "log",
      service: "lab-server",
      body: "order processed",
      count: 0,
      why: "The subscribers' lines exist, but nothing leads to them: they belong to traces of their own.",
      hint: "Lines here mean that the context travelled after all.",
    },
    {
      signal: "span",
      select: {
        name: "publish orders",
        kind: "producer",
        status: "unset",
        attributes: {
          "messaging.system": "redis",
          "messaging.destination.name": "orders",
          "messaging.operation.name": "publish",
          "messaging.operation.type": "send",
        },
      },
      count: "${params.messages}",
      modes: ["control", "fix"],
      why: "Publishing is an operation of its own, with the names of the messaging conventions.",
      hint: "Only PUBLISH commands: the publisher goes past the app's order events.",
    },
    {
      signal: "check",
      title: "every subscriber processes every order once",
      modes: ["control", "fix"],
      check: ({ spans, params }) => {
        const expected = Number(params.messages) * Number(params.subscribers);
        const found = spans.filter(
          ({ name, kind }) => name === "process orders" && kind === "consumer",
        );
        return {
          ok: found.length === expected,
          seen: `${found.length} of ${expected} process orders`,
        };
      },
      why: "Publish and subscribe reaches all who listen: messages times subscribers, no less, no more.",
      hint: "Fewer: a subscriber was not subscribed yet, or lost its connection. More: one is left over.",
    },
    {
      signal: "span",
      select: { name: "process orders", kind: "consumer" },
      every: { linksTo: { name: "publish orders", kind: "producer" } },
      modes: ["control", "fix"],
      why: "From the work to its cause is one click, also when they are in different traces.",
      hint: "No link: the payload carried no traceparent, or the subscriber did not read it.",
    },
    {
      signal: "check",
      title: "processing is in a trace of its own, or below its publisher, as was chosen",
      modes: ["control", "fix"],
      check: ({ mode, spans, params }) => {
        const isChild = mode === "fix" && params.relation === "child";
        const publishers = new Set(
          spans.filter(({ name }) => name === "publish orders").map(({ spanId }) => spanId),
        );
        const found = spans.filter(({ name }) => name === "process orders");
        const right = found.filter(({ parentSpanId }) =>
          isChild ? publishers.has(parentSpanId ?? "") : parentSpanId === null,
        );
        const traces = new Set(found.map(({ traceId }) => traceId)).size;
        return {
          ok:
            found.length > 0 &&
            right.length === found.length &&
            (isChild ? traces === 1 : traces === found.length),
          seen: `${found.length} process orders in ${traces} traces, ${right.length} as chosen`,
        };
      },
      why: "Work that may come later and many times belongs into traces of its own; a link keeps the way.",
      hint: "A parent instead of none: the span was started in the publisher's context.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "process orders" } },
        { logs: { body: "order processed", correlated: true } },
      ],
      modes: ["control", "fix"],
      why: "Each processed order has its line, and the line is on the span that processed it.",
      hint: "Lines without a trace id: the handler ran outside of its span.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "orders handed over",
      attributes: { published: "${params.messages}" },
      count: 1,
      correlated: true,
      modes: ["fault", "control", "fix"],
      why: "The orders did get through: what is lost in the fault is the way to see it.",
      hint: "Without the line some orders never reached a subscriber.",
    },
    {
      signal: "trace",
      orphans: 0,
      modes: ["control", "fix"],
      why: "Every span has its place, in whichever trace.",
      hint: "An orphan: a subscriber's span names a parent that was never sent.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing fails. That is what makes a lost context so hard to notice.",
      hint: "An event here means that a handler or Valkey failed.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "The orders are handed over in all modes.",
      hint: "Open the trace: what failed is red.",
    },
  ],
});
