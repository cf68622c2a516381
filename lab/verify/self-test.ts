import type {
  ControlOutcome,
  MutantOutcome,
  MutantRow,
  SelfTestMatrix,
} from "#lab/api/self-test.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { holdsIn, judge, judgeOne } from "#lab/judge/judge.ts";
import { prepare } from "#lab/judge/prepare.ts";
import type { Scenario } from "#scenarios/define.ts";
import { mingle, mutants } from "./mutants.ts";

/** Evidence of one scenario's runs, as it was when they passed. */
export interface Recorded {
  readonly scenario: Scenario;
  /** At most one per mode: what the mutants are made of. */
  readonly passed: readonly Evidence[];
  /** Of the control run. */
  readonly apart: ControlOutcome | null;
}

/** What a scenario's checks did on everything that was held against them. */
interface Shaken {
  readonly seen: Set<number>;
  /** True when one of the checks failed that hold in the mode of this evidence. */
  readonly by: (evidence: Evidence) => boolean;
}

function shaking({ scenario }: Recorded): Shaken {
  const seen = new Set<number>();
  return {
    seen,
    by: (evidence) => {
      const failed = judge(scenario.expect, evidence).filter(({ verdict }) => verdict === "fail");
      for (const { index } of failed) seen.add(index);
      return failed.length > 0;
    },
  };
}

/** Judges every mutant of every recorded run. Pure. */
export function selfTest(recorded: readonly Recorded[]): SelfTestMatrix {
  const shaken = recorded.map((one) => [one, shaking(one)] as const);
  const rows = mutants.map(({ id, title, apply }): MutantRow => {
    const cells = shaken.map(([{ scenario, passed }, checks]): [string, MutantOutcome] => {
      const mutated = passed.flatMap((evidence) => apply(evidence) ?? []);
      // Each is judged: one that is caught already may shake another check too.
      const caught = mutated.filter(checks.by).length;
      return [scenario.id, mutated.length === 0 ? "none" : caught > 0 ? "caught" : "missed"];
    });
    return rowOf(id, title, cells);
  });
  const everything = recorded.flatMap(({ passed }) => passed);
  const mingled = shaken.map(([{ scenario, passed }, checks]): [string, MutantOutcome] => {
    for (const evidence of passed) failInOtherModes(scenario, evidence, checks.seen);
    const own = passed.flatMap((evidence) =>
      passed.filter((other) => other !== evidence).map((other) => mingle(evidence, other)),
    );
    const caught = own.filter(checks.by).length;
    const left = () => stillUnshaken(scenario, passed, checks.seen);
    for (const evidence of passed) {
      for (const other of everything) {
        if (!left().some((index) => isDueIn(scenario, index, evidence))) break;
        if (other.runId !== evidence.runId) checks.by(mingle(evidence, other));
      }
    }
    return [scenario.id, own.length === 0 ? "none" : caught > 0 ? "caught" : "missed"];
  });
  return {
    mutants: [...rows, rowOf("foreign-run", "another run carries this run's id", mingled)],
    live: [],
    control: Object.fromEntries(recorded.map(({ scenario, apart }) => [scenario.id, apart])),
    vacuous: Object.fromEntries(
      shaken.map(([{ scenario, passed }, checks]) => [
        scenario.id,
        stillUnshaken(scenario, passed, checks.seen),
      ]),
    ),
  };
}

/** One line of the matrix from what became of each scenario. */
export function rowOf(
  id: string,
  title: string,
  cells: readonly (readonly [string, MutantOutcome])[],
): MutantRow {
  const seen = new Set(cells.map(([, cell]) => cell));
  const outcome: MutantOutcome = seen.has("caught")
    ? "caught"
    : seen.has("missed")
      ? "missed"
      : "none";
  return { id, title, cells: Object.fromEntries(cells), outcome };
}

/** What is expected of one mode has to be missed in another: else the modes are all the same to it. */
function failInOtherModes({ expect }: Scenario, evidence: Evidence, seen: Set<number>): void {
  const prepared = prepare(evidence);
  for (const [index, expectation] of expect.entries()) {
    if (seen.has(index) || holdsIn(expectation, evidence.mode)) continue;
    if (judgeOne(expectation, prepared, index).verdict === "fail") seen.add(index);
  }
}

const isDueIn = ({ expect }: Scenario, index: number, { mode }: Evidence): boolean => {
  const expectation = expect[index];
  return expectation !== undefined && holdsIn(expectation, mode);
};

/** Of the checks that passed in a recorded run; what has no source here cannot be judged at all. */
function stillUnshaken(
  scenario: Scenario,
  passed: readonly Evidence[],
  seen: ReadonlySet<number>,
): readonly number[] {
  const unseen = scenario.expect.flatMap((_, index) => (seen.has(index) ? [] : [index]));
  return unseen.filter((index) =>
    passed.some((evidence) => {
      const expectation = scenario.expect[index];
      if (expectation === undefined || !holdsIn(expectation, evidence.mode)) return false;
      return judgeOne(expectation, prepare(evidence), index).verdict === "pass";
    }),
  );
}

/** Mutants that no scenario noticed though there was something to notice. */
export const survivors = ({ mutants: rows, live }: SelfTestMatrix): readonly string[] => [
  ...rows.filter(({ outcome }) => outcome === "missed").map(({ id }) => id),
  ...live.filter(({ outcome }) => outcome === "missed").map(({ id }) => `${id} in the running app`),
];

/** Checks that cannot fail, each as `db.deadlock expect[3]`. */
export const vacuousChecks = ({ vacuous }: SelfTestMatrix): readonly string[] =>
  Object.entries(vacuous).flatMap(([id, positions]) =>
    positions.map((position) => `${id} expect[${position}]`),
  );
