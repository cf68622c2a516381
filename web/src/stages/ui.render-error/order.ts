import * as v from "valibot";

/** An order as the component believes it to be. */
export interface Order {
  readonly id: number;
  readonly quantity: number;
  readonly total_cents: number;
  readonly customer: { readonly name: string };
}

const answerSchema = v.object({
  result: v.object({
    order: v.looseObject({
      id: v.pipe(v.union([v.number(), v.string()]), v.transform(Number)),
      quantity: v.pipe(v.union([v.number(), v.string()]), v.transform(Number)),
      total_cents: v.pipe(v.union([v.number(), v.string()]), v.transform(Number)),
    }),
  }),
});

/**
 * The order in the app's answer. It has no customer: `complete` adds one, otherwise the page goes
 * on as if the API kept its word. @throws ValiError when the rest is not there either.
 */
export function orderOf(body: unknown, complete: boolean): Order {
  const { order } = v.parse(answerSchema, body).result;
  return complete ? { ...order, customer: { name: "Ada" } } : (order as unknown as Order);
}
