import { bodyParser } from "@koa/bodyparser";
import type Router from "@koa/router";
import * as v from "valibot";
import { AppError } from "../errors.ts";
import { observeVital } from "./histograms.ts";

const hint = 'Send JSON like {"name":"LCP","value":1234.5}, one vital at a time.';

const vitalSchema = v.variant("name", [
  v.strictObject({
    name: v.picklist(["LCP", "INP", "FCP", "TTFB"]),
    /** Milliseconds. Ten minutes are no measurement of a page any more. */
    value: v.pipe(v.number(), v.minValue(0), v.maxValue(600_000)),
  }),
  v.strictObject({
    name: v.literal("CLS"),
    value: v.pipe(v.number(), v.minValue(0), v.maxValue(1000)),
  }),
]);

const limitBody = bodyParser({
  enableTypes: ["json"],
  jsonLimit: "1kb",
  onError(error) {
    const tooLarge = (error as { readonly status?: unknown }).status === 413;
    // The parser's own message repeats the body.
    throw tooLarge
      ? new AppError(413, "body_too_large", "The body is larger than 1 kB.", { hint })
      : new AppError(400, "invalid_json", "The body is not valid JSON.", { hint });
  },
});

/**
 * `POST /api/vitals`: a page tells one of its web vitals. The span of the vital is the caller's in
 * `traceparent`, so the exemplar leads to the page that measured it.
 */
export function vitalsRoute(router: Router): void {
  router.post("/api/vitals", async function takeVital(ctx) {
    await limitBody(ctx, () => Promise.resolve());
    const parsed = v.safeParse(vitalSchema, ctx.request.body);
    if (!parsed.success) {
      throw new AppError(400, "invalid_vital", "This is no web vital.", { hint });
    }
    observeVital(parsed.output.name, parsed.output.value);
    ctx.status = 204;
  });
}
