import type { Verdict } from "#lab/api/checks.ts";
import type { Comparison } from "#scenarios/span-selector.ts";
import type { NearestMiss } from "./finding.ts";
import { meetsAll, nearestOf, type Predicate, shown, ticksOf } from "./predicate.ts";
import { decide, highest } from "./quantity.ts";

/** A thing that was told once, with its place in a trace where it has one. */
interface Told {
  readonly traceId: string | null;
  readonly spanId: string | null;
}

/** What is counted, and how one of it is named. */
export interface RecordsOf<R> {
  readonly kind: NearestMiss["kind"];
  readonly records: readonly R[];
  readonly titleOf: (record: R) => string;
}

/** Counts the records that meet every predicate; default: at least one has to. */
export function countRecords<R extends Told>(
  { kind, records, titleOf }: RecordsOf<R>,
  predicates: readonly Predicate<R>[],
  {
    count = { gte: 1 },
    settled,
  }: { readonly count: Comparison | undefined; readonly settled: boolean },
): { readonly found: number; readonly verdict: Verdict; readonly nearest: NearestMiss | null } {
  const found = records.filter((record) => meetsAll(predicates, record));
  const verdict = decide(count, found.length, { settled, grows: true });
  if (verdict === "pass") return { found: found.length, verdict, nearest: null };
  const chosen = new Set(found);
  // With too many, the last one is in the way; with too few, what nearly is one.
  const nearest =
    found.length > highest(count)
      ? found.at(-1)
      : nearestOf(
          predicates,
          records.filter((record) => !chosen.has(record)),
        );
  return {
    found: found.length,
    verdict,
    nearest: nearest
      ? {
          kind,
          title: shown(titleOf(nearest)),
          traceId: nearest.traceId,
          spanId: nearest.spanId,
          ticks: ticksOf(predicates, nearest),
        }
      : null,
  };
}
