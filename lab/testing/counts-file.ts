import { readFileSync, writeFileSync } from "node:fs";
import { type Counts, closingLine } from "./closing-line.ts";

const variable = "LAB_TEST_COUNTS";

/** Environment that makes a reporter write its counts to `file`, so that a run of several runners has one closing line. */
export const countsInto = (file: string): Readonly<Record<string, string>> => ({
  [variable]: file,
});

/** What every reporter of ours does at the end: hand the counts to the runner above, or print the line itself. */
export function report(counts: Counts): void {
  const file = process.env[variable];
  if (file === undefined) process.stdout.write(`${closingLine(counts)}\n`);
  else writeFileSync(file, JSON.stringify(counts));
}

/** Undefined when the runner ended before its reporter could count. */
export function readCounts(file: string): Counts | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Counts;
  } catch {
    return undefined;
  }
}
