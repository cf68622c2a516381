/** Longest that a backend may take to answer a question. */
const answerWithinMs = 10_000;

/**
 * What a backend answers as JSON; undefined for 404.
 * @throws Error for any other status, and when nobody answers in time.
 */
export async function readJson<T>(url: URL): Promise<T | undefined> {
  const response = await fetch(url, {
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(answerWithinMs),
    redirect: "error",
  });
  const text = await response.text();
  if (response.status === 404) return undefined;
  if (response.status !== 200)
    throw new Error(`answered ${response.status}: ${text.slice(0, 200)}`);
  return JSON.parse(text) as T;
}
