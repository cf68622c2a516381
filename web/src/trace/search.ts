import type { OtlpKeyValue } from "#lab/api/otlp.ts";
import { plainValue, showValue } from "./attributes.ts";
import type { Row } from "./layout.ts";
import type { TraceSpan } from "./trace.ts";

/**
 * Indices of the rows that hold every word of `query` in name, service, id, and, where the trace came
 * with them, attributes, status or events. Case does not matter; an empty query finds nothing.
 */
export function findRows(rows: readonly Row[], query: string): readonly number[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const found: number[] = [];
  rows.forEach((row, index) => {
    if (row.kind !== "span") return;
    const text = textOfSpan(row.span);
    if (words.every((word) => text.includes(word))) found.push(index);
  });
  return found;
}

const known = new WeakMap<object, string>();

function textOfSpan({ details, name, service, id }: TraceSpan): string {
  if (details === null) return `${name}\n${service}\n${id}`.toLowerCase();
  const { raw } = details;
  const before = known.get(raw);
  if (before !== undefined) return before;
  const parts = [name, service, id, raw.status?.message ?? ""];
  const add = (list: readonly OtlpKeyValue[] = []) => {
    for (const { key, value } of list) parts.push(`${key}=${showValue(plainValue(value))}`);
  };
  add(raw.attributes);
  for (const event of raw.events ?? []) {
    parts.push(event.name);
    add(event.attributes);
  }
  const text = parts.join("\n").toLowerCase();
  known.set(raw, text);
  return text;
}

/** Indices of the rows whose own span failed. */
export const failedRows = (rows: readonly Row[]): readonly number[] =>
  rows.flatMap((row, index) => (row.kind === "span" && row.span.failed ? [index] : []));

/** The entry of an ascending list after (or before) `from`, going round at the ends. */
export function step(list: readonly number[], from: number, direction: 1 | -1): number | undefined {
  if (direction === 1) return list.find((at) => at > from) ?? list[0];
  return list.findLast((at) => at < from) ?? list.at(-1);
}
