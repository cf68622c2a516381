import type { Evidence } from "#lab/judge/evidence.ts";
import { judge } from "#lab/judge/judge.ts";
import type { Scenario } from "#scenarios/define.ts";
import { mutants } from "./mutants.ts";
import type { Apart } from "./result.ts";

/** Evidence of one scenario's runs, as it was when they passed. */
export interface Recorded {
  readonly scenario: Scenario;
  /** Of runs in mode fault and fix: what the mutants are made of. */
  readonly passed: readonly Evidence[];
  /** Of the control run. */
  readonly apart: Apart | null;
}

/** `none`: the evidence has nothing that could be broken in this way. */
export type Cell = "caught" | "missed" | "none";

export interface Matrix {
  readonly mutants: readonly {
    readonly id: string;
    readonly title: string;
    readonly cells: Readonly<Record<string, Cell>>;
    /** `none`: no scenario leaves anything that it could break. */
    readonly outcome: Cell;
  }[];
  readonly control: Readonly<Record<string, Apart | null>>;
  /** Checks of telemetry that failed in no control run and under no mutant, by scenario. */
  readonly unshaken: Readonly<Record<string, readonly number[]>>;
}

/** Judges every mutant of every recorded run. Pure. */
export function selfTest(recorded: readonly Recorded[]): Matrix {
  const shaken = new Map(
    recorded.map(({ scenario, apart }) => [scenario.id, new Set(apart?.failed)]),
  );
  const rows = mutants.map(({ id, title, apply }) => {
    const cells = recorded.map(({ scenario, passed }): [string, Cell] => {
      const mutated = passed.flatMap((evidence) => apply(evidence) ?? []);
      const failed = mutated.flatMap((evidence) =>
        judge(scenario.expect, evidence).filter(({ verdict }) => verdict === "fail"),
      );
      for (const { index } of failed) shaken.get(scenario.id)?.add(index);
      if (mutated.length === 0) return [scenario.id, "none"];
      return [scenario.id, failed.length > 0 ? "caught" : "missed"];
    });
    const seen = new Set(cells.map(([, cell]) => cell));
    const outcome: Cell = seen.has("caught") ? "caught" : seen.has("missed") ? "missed" : "none";
    return { id, title, cells: Object.fromEntries(cells), outcome };
  });
  return {
    mutants: rows,
    control: Object.fromEntries(recorded.map(({ scenario, apart }) => [scenario.id, apart])),
    unshaken: Object.fromEntries(
      recorded.map(({ scenario, passed }) => [
        scenario.id,
        passed.length === 0 ? [] : unshakenOf(scenario, shaken.get(scenario.id) ?? new Set()),
      ]),
    ),
  };
}

/** Answers, observations of the page and restarts are no telemetry: no mutant touches them. */
const unshakenOf = ({ expect }: Scenario, shaken: ReadonlySet<number>): readonly number[] =>
  expect.flatMap(({ signal }, index) =>
    shaken.has(index) || signal === "answer" || signal === "page" || signal === "component"
      ? []
      : [index],
  );

/** Mutants that no scenario noticed though there was something to notice. */
export const survivors = ({ mutants: rows }: Matrix): readonly string[] =>
  rows.filter(({ outcome }) => outcome === "missed").map(({ id }) => id);

const marks: Readonly<Record<Cell, string>> = { caught: "✓", missed: "✗", none: "·" };

/** The matrix as lines of text. */
export function matrixLines({ mutants: rows, control, unshaken }: Matrix): readonly string[] {
  const ids = Object.keys(control);
  const wide = Math.max(...rows.map(({ id }) => id.length), "control".length) + 2;
  const line = (name: string, cells: readonly string[], note: string): string =>
    `  ${name.padEnd(wide)}${cells.map((cell) => cell.padEnd(5)).join("")}${note}`.trimEnd();
  const letters = ids.map((_, position) => String.fromCharCode(65 + position));
  return [
    "Self-test: does a check fail when the telemetry is broken?  ✓ caught  ✗ missed  · nothing to break",
    ...ids.map((id, position) => `  ${letters[position]}  ${id}`),
    line("", letters, ""),
    line(
      "control",
      ids.map((id) => {
        const apart = control[id];
        return apart ? `${apart.failed.length}/${apart.failed.length + apart.met.length}` : "·";
      }),
      "checks of the fault that fail when it is off",
    ),
    ...rows.map(({ id, title, cells, outcome }) =>
      line(
        id,
        ids.map((scenario) => marks[cells[scenario] ?? "none"]),
        outcome === "caught"
          ? title
          : `${title}: ${outcome === "missed" ? "NOT CAUGHT" : "nothing leaves any"}`,
      ),
    ),
    ...Object.entries(unshaken)
      .filter(([, positions]) => positions.length > 0)
      .map(
        ([id, positions]) => `  never seen to fail: ${id} expect[${positions.join("], expect[")}]`,
      ),
  ];
}
