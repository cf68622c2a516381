import { Refusal } from "./refusal.ts";

/** Most items of a list, whatever is asked for. */
const mostItems = 10_000;

/**
 * Seconds since the epoch; 0 is none. Throws {@link Refusal} for what is no time, for an end that is
 * not after its start, and for a start without an end.
 */
export function timeRange(query: URLSearchParams): {
  readonly from: number | undefined;
  readonly to: number | undefined;
} {
  const from = optionalNumber(query, "start") || undefined;
  const to = optionalNumber(query, "end") || undefined;
  if (from !== undefined && from >= (to ?? 0)) throw wrongOrder(from, to ?? 0);
  return { from, to };
}

/** As Tempo reads the `limit` of a list: undefined, which is as many as it likes, for 0 and for what is no number. */
export function itemLimit(query: URLSearchParams): number | undefined {
  const text = query.get("limit") ?? "";
  const limit = /^\d+$/.test(text) ? Number(text) : 0;
  return limit === 0 ? undefined : Math.min(limit, mostItems);
}

/** A number up to `most`, `standard` when absent. Throws {@link Refusal} for 0. */
export function positiveNumber(
  query: URLSearchParams,
  name: string,
  standard: number,
  most: number,
): number {
  const value = optionalNumber(query, name);
  if (value === undefined) return standard;
  // In Tempo's words.
  if (value < 1)
    throw new Refusal(400, "bad_query", `invalid ${name}: must be a positive number`, {
      hint: `Leave it out for ${standard}.`,
    });
  return Math.min(most, Math.floor(value));
}

function optionalNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Refusal(400, "bad_query", `The query parameter ${name} is no number.`, {
    hint: "Times are seconds since the epoch.",
  });
}

/** In Tempo's words. */
const wrongOrder = (start: number, end: number): Refusal =>
  new Refusal(
    400,
    "bad_query",
    `http parameter start must be before end. received start=${start} end=${end}`,
    { hint: "Send both or neither, in seconds since the epoch." },
  );
