import type { StoredItem, StoredLog, StoredSpan, TestStore } from "./store.ts";

/** Spans of one name, or whose name matches. */
export const named = (spans: readonly StoredSpan[], name: string | RegExp) =>
  spans.filter((span) => (typeof name === "string" ? span.name === name : name.test(span.name)));

/** The trace, once what it needs has arrived. */
export const spansUntil = (
  store: TestStore,
  traceId: string,
  isThere: (spans: readonly StoredSpan[]) => boolean,
): Promise<readonly StoredSpan[]> => store.until(() => store.spans(traceId), isThere);

/** The trace once the request's own span is in it: that one is sent last. */
export const traceOf = (store: TestStore, traceId: string): Promise<readonly StoredSpan[]> =>
  spansUntil(store, traceId, (spans) => spans.some(({ kind }) => kind === 2));

/** The Sentry events of a trace, once there are `count`; more are given too. */
export async function eventsOf(
  store: TestStore,
  traceId: string,
  count: number,
): Promise<readonly StoredItem[]> {
  const events = (items: readonly StoredItem[]) => items.filter(({ kind }) => kind === "event");
  const items = await store.until(
    () => store.sentry(traceId),
    (found) => events(found).length >= count,
  );
  return events(items);
}

/** The log lines of a trace that say `body`, once there is one. */
export async function logsOf(
  store: TestStore,
  traceId: string,
  body: string,
): Promise<readonly StoredLog[]> {
  const saying = (lines: readonly StoredLog[]) => lines.filter((line) => line.body === body);
  const lines = await store.until(
    () => store.logs(traceId),
    (found) => saying(found).length > 0,
  );
  return saying(lines);
}
