import type { PendingQuery, Row } from "postgres";

/** Cancels the query in the database, where it fails with SQLSTATE 57014, when the signal is aborted. */
export async function cancelOn<T extends readonly Row[]>(
  signal: AbortSignal,
  query: PendingQuery<T>,
): Promise<T> {
  const cancel = (): void => {
    // The driver's promise of a cancel request, which its types leave out; when it fails, the query goes on.
    void Promise.resolve(query.cancel() as unknown).catch(() => {});
  };
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await query;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
