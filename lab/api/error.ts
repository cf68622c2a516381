import * as v from "valibot";

/** Every error answer. No stack, SQL or path ever; `traceId` where there is one. */
export const errorBodySchema = v.object({
  error: v.object({
    code: v.string(),
    message: v.string(),
    hint: v.string(),
    traceId: v.optional(v.string()),
  }),
});
export type ErrorBody = v.InferOutput<typeof errorBodySchema>;
