import { AppError } from "../errors.ts";

/**
 * Gives up on `work` after `ms` and tells it so by the signal. What it answers later is dropped,
 * and what it throws later too: whoever asked has been answered.
 * @throws AppError 504 `deadline_exceeded`.
 */
export async function withDeadline<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new AppError(504, "deadline_exceeded", `There was no answer within ${ms} ms.`, {
      hint: "Ask for less, or again later.",
    });
    reject(error);
    late.abort(error);
  }, ms);
  const running = work(late.signal);
  running.catch(() => {});
  try {
    return await Promise.race([running, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
