import type { MutantOutcome, SelfTestMatrix } from "#lab/api/self-test.ts";
import { vacuousChecks } from "./self-test.ts";

const marks: Readonly<Record<MutantOutcome, string>> = { caught: "✓", missed: "✗", none: "·" };
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The matrix as lines of text: a column per mutant, a row per scenario. */
export function matrixLines(matrix: SelfTestMatrix): readonly string[] {
  const rows = [
    ...matrix.mutants,
    ...matrix.live.map((row) => ({ ...row, title: `in the running app, ${row.title}` })),
  ];
  const ids = Object.keys(matrix.control);
  const wide = Math.max(...ids.map((id) => id.length), 8) + 2;
  const line = (name: string, cells: readonly string[], note: string): string =>
    `  ${name.padEnd(wide)}${cells.map((cell) => cell.padEnd(2)).join("")} ${note}`.trimEnd();
  return [
    "Self-test: does a check fail when the telemetry is broken?  ✓ caught  ✗ missed  · nothing to break",
    ...rows.map(
      ({ id, title, outcome }, position) =>
        `  ${letters[position]}  ${id.padEnd(22)} ${title}${outcomeWords[outcome]}`,
    ),
    line("", [...letters.slice(0, rows.length)], "control: checks of the fault that it fails"),
    ...ids.map((id) => {
      const apart = matrix.control[id];
      return line(
        id,
        rows.map(({ cells }) => marks[cells[id] ?? "none"]),
        apart ? `${apart.failed.length} of ${apart.failed.length + apart.met.length}` : "",
      );
    }),
    ...vacuousChecks(matrix).map((check) => `  cannot fail: ${check}`),
  ];
}

const outcomeWords: Readonly<Record<MutantOutcome, string>> = {
  caught: "",
  missed: ": NOT CAUGHT",
  none: ": nothing leaves any",
};
