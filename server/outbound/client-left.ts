import type { Context as Request } from "koa";
import { codeOf } from "../error-type.ts";

/** Why the signal of a request is aborted when its client goes away before the answer. */
export const clientLeft = new DOMException("The client left before the answer.", "AbortError");

/** What the answer to nobody is called, after nginx: no standard has a number for it. */
export const clientLeftStatus = 499;

/** PostgreSQL's `query_canceled` (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const queryCanceled = "57014";

/** Whether an error is the end of work that nobody waits for any more, as was wanted. */
export const isAbandonedWork = (signal: AbortSignal | undefined, error: unknown): boolean =>
  signal?.reason === clientLeft && (error === clientLeft || codeOf(error) === queryCanceled);

/** Aborted with {@link clientLeft} when the client of a request goes away before the answer. */
export function presenceOf({ res }: Pick<Request, "res">): AbortSignal {
  const gone = new AbortController();
  const leave = (): void => {
    if (!res.writableFinished) gone.abort(clientLeft);
  };
  if (res.closed) leave();
  else res.once("close", leave);
  return gone.signal;
}
