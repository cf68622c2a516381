import { isDeepStrictEqual } from "node:util";
import { report } from "../measuring.ts";
import { knownDifferences } from "./known-differences.ts";

export type Plain = Readonly<Record<string, unknown>>;

export interface Tally {
  readonly note: (question: string, ours: unknown, theirs: unknown) => void;
  /** Prints how many were the same, what is known to differ and why, and the others in full. */
  readonly close: () => void;
}

export interface DifferenceTallies {
  readonly tally: (what: string) => Tally;
  /** Differences of the closed tallies that nobody has looked into. */
  readonly unexplained: () => number;
}

export function differenceTallies(): DifferenceTallies {
  let unexplained = 0;
  return {
    unexplained: () => unexplained,
    tally: (what) => {
      let same = 0;
      const known = new Map<string, number>();
      const differences: string[] = [];
      return {
        note: (question, ours, theirs) => {
          if (isDeepStrictEqual(ours, theirs)) {
            same++;
            return;
          }
          const reason = knownDifferences.find(({ asked }) => asked.test(question))?.reason;
          if (reason === undefined)
            differences.push(`${question}\n${firstDifference(ours, theirs)}`);
          else known.set(reason, (known.get(reason) ?? 0) + 1);
        },
        close: () => {
          const explained = [...known.values()].reduce((sum, count) => sum + count, 0);
          const asked = same + explained + differences.length;
          report(`Tempo, ${what}`, `${same} of ${asked} the same, ${explained} known to differ`);
          for (const [reason, count] of known) console.log(`  ${count} known: ${reason}`);
          for (const difference of differences) console.log(`  UNEXPLAINED ${difference}`);
          unexplained += differences.length;
        },
      };
    },
  };
}

function firstDifference(ours: unknown, theirs: unknown, path = ""): string {
  if (isPlain(ours) && isPlain(theirs))
    for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)]))
      if (!isDeepStrictEqual(ours[key], theirs[key]))
        return firstDifference(ours[key], theirs[key], `${path}.${key}`);
  const short = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 300);
  return `    at ${path || "the whole"}: store ${short(ours)}\n      Tempo ${short(theirs)}`;
}

export const isPlain = (value: unknown): value is Plain =>
  typeof value === "object" && value !== null;
