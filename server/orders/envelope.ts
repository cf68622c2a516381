import * as v from "valibot";
import type { OrderPlaced } from "#scenarios/edges/order-events.ts";

/** What travels: the order, and the trace it belongs to. */
export interface Envelope {
  /** `traceparent`, `baggage`: as headers would carry them. */
  readonly context: Readonly<Record<string, string>>;
  readonly order: OrderPlaced;
}

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const envelopeSchema = v.object({
  context: v.optional(v.record(v.string(), v.string()), {}),
  order: v.object({
    orderId: positive,
    customerId: positive,
    totalCents: v.pipe(v.number(), v.integer(), v.minValue(0)),
  }),
});

export const writeEnvelope = (envelope: Envelope): string => JSON.stringify(envelope);

/** Undefined for what is no envelope: anything may be published on a channel. */
export function readEnvelope(text: string): Envelope | undefined {
  try {
    return v.parse(envelopeSchema, JSON.parse(text));
  } catch {
    return undefined;
  }
}
