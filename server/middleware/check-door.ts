import { createHash, timingSafeEqual } from "node:crypto";
import type { Middleware } from "koa";
import { header } from "#scenarios/names.ts";
import { AppError } from "../errors.ts";

const digest = (value: string): Buffer => createHash("sha256").update(value).digest();

/**
 * Lets only the front door in: it holds the per-start secret and has checked Host, Origin and CSRF.
 * Digests are compared, so neither length nor content of a guess can be timed.
 */
export function doorCheck(secret: string): Middleware {
  const expected = digest(secret);
  return function checkDoor(ctx, next) {
    if (!timingSafeEqual(digest(ctx.get(header.doorSecret)), expected)) {
      throw new AppError(
        403,
        "not_through_the_door",
        "This port answers the lab's front door only.",
        {
          hint: "Use the address that npm run lab printed.",
        },
      );
    }
    return next();
  };
}
