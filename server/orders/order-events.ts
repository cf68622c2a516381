import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import {
  ATTR_ERROR_TYPE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
} from "@opentelemetry/semantic-conventions";
import type { Redis } from "iovalkey";
import type { OrderEvents, OrderPlaced, Subscribing } from "#scenarios/edges/order-events.ts";
import { errorTypeOf } from "../error-type.ts";
import { endedWith } from "../telemetry/span-outcome.ts";
import type { Valkey } from "../valkey/client.ts";
import { type Envelope, readEnvelope, writeEnvelope } from "./envelope.ts";

const channel = "orders";
const tracer = trace.getTracer("lab-server/order-events");
/** A subscription that does not come about in this time is given up. */
const subscribeWithinMs = 2000;

export interface OrderEventsOptions {
  /** A handler rejected, or a message could not be read; called in the context of its span, if any. */
  readonly onFailure: (error: unknown) => void;
}

/** Publishes on one connection shared with everybody; each subscription has one of its own. */
export function openOrderEvents(
  valkey: Pick<Valkey, "attempt" | "subscriber" | "client">,
  { onFailure }: OrderEventsOptions,
): OrderEvents {
  /** https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ */
  const attributes = (name: "publish" | "process", bytes: number) => ({
    "messaging.system": "redis",
    "messaging.destination.name": channel,
    "messaging.operation.name": name,
    "messaging.operation.type": name === "publish" ? "send" : "process",
    "messaging.message.body.size": bytes,
    [ATTR_SERVER_ADDRESS]: valkey.client.options.host ?? "127.0.0.1",
    [ATTR_SERVER_PORT]: valkey.client.options.port ?? 6379,
  });

  async function receive(
    text: string,
    handle: (order: OrderPlaced) => Promise<void>,
    relation: Subscribing["relation"],
  ): Promise<void> {
    const envelope = readEnvelope(text);
    if (envelope === undefined) {
      onFailure(new Error(`a message on ${channel} is no order`));
      return;
    }
    const remote = propagation.extract(ROOT_CONTEXT, envelope.context);
    const span = startProcessing(remote, relation, attributes("process", Buffer.byteLength(text)));
    // Without the publisher's span, but with its baggage: that says which run it was.
    const own = trace.setSpan(trace.deleteSpan(remote), span);
    await context.with(own, () =>
      finished(span, () => handle(envelope.order)).catch((error: unknown) => onFailure(error)),
    );
  }

  return {
    publish(order) {
      return tracer.startActiveSpan("publish orders", { kind: SpanKind.PRODUCER }, (span) =>
        finished(span, () => {
          const headers: Record<string, string> = {};
          propagation.inject(context.active(), headers);
          const text = writeEnvelope({ context: headers, order } satisfies Envelope);
          span.setAttributes(attributes("publish", Buffer.byteLength(text)));
          return valkey.attempt((client) => client.publish(channel, text));
        }),
      );
    },
    async subscribe(handle, { relation = "link" } = {}) {
      const client = valkey.subscriber();
      client.on("message", (_, text: string) => void receive(text, handle, relation));
      try {
        await keepSubscribed(client);
      } catch (error) {
        client.disconnect();
        throw error;
      }
      return async () => client.disconnect();
    },
  };
}

function startProcessing(
  remote: Context,
  relation: Subscribing["relation"],
  attributes: Readonly<Record<string, string | number>>,
): Span {
  const producer = trace.getSpanContext(remote);
  const links = producer === undefined ? [] : [{ context: producer }];
  return tracer.startSpan(
    "process orders",
    { kind: SpanKind.CONSUMER, root: relation === "link", links, attributes },
    remote,
  );
}

/** Subscribes at every connection; resolves with the first that works. */
function keepSubscribed(client: Redis): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const tooLate = setTimeout(
    () => reject(new Error(`nobody let the app subscribe to ${channel}`)),
    subscribeWithinMs,
  );
  const subscribe = () => {
    client.subscribe(channel).then(
      () => resolve(),
      // The connection is made anew, and this is tried again.
      () => undefined,
    );
  };
  client.on("ready", subscribe);
  if (client.status === "ready") subscribe();
  return promise.finally(() => clearTimeout(tooLate));
}

/** Ends the span with the work, and says of what kind its failure is. */
const finished = <T>(span: Span, work: () => Promise<T>): Promise<T> =>
  endedWith(span, () =>
    work().catch((error: unknown) => {
      span.setAttribute(ATTR_ERROR_TYPE, errorTypeOf(error));
      throw error;
    }),
  );
