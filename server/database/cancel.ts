import { type Context, context, createContextKey } from "@opentelemetry/api";
import type { PendingQuery, Row } from "postgres";

const signalKey = createContextKey("signal that cancels the query");

/** The signal of {@link cancelOn} around a query that starts in this context. */
export const signalOf = (own: Context): AbortSignal | undefined =>
  own.getValue(signalKey) as AbortSignal | undefined;

/** Cancels the query in the database, where it fails with SQLSTATE 57014, when the signal is aborted. */
export async function cancelOn<T extends readonly Row[]>(
  signal: AbortSignal,
  query: PendingQuery<T>,
): Promise<T> {
  const cancel = (): void => query.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    // The driver starts a query when somebody waits for it: its span is opened in this context.
    return await context.with(context.active().setValue(signalKey, signal), () => query.execute());
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
