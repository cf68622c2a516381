import type Router from "@koa/router";
import type { Middleware } from "koa";
import { AppError } from "../errors.ts";

/**
 * Answers 405 to methods outside the route table and 404 to unknown paths, before any work. Koa by
 * itself answers TRACE with the body of GET.
 */
export function methodCheck(router: Router): Middleware {
  return function checkMethod(ctx, next) {
    const layers = router.stack.filter((layer) => layer.match(ctx.path));
    if (layers.length === 0) {
      throw new AppError(404, "not_found", "There is no such address.", {
        hint: "The README lists what the app answers.",
      });
    }
    const allowed = [...new Set(layers.flatMap(({ methods }) => methods))];
    if (!allowed.includes(ctx.method)) {
      ctx.set("allow", allowed.join(", "));
      throw new AppError(405, "method_not_allowed", `${ctx.method} is not allowed here.`, {
        hint: `Use ${allowed.join(" or ")}.`,
      });
    }
    return next();
  };
}
