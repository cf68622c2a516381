import type { Verdict } from "#lab/api/checks.ts";
import type { Expectation } from "#scenarios/expectation.ts";
import type { Evidence } from "./evidence.ts";
import { evidenceOf, span } from "./factories.ts";
import { type JudgedCheck, judge } from "./judge.ts";

/** For tests of one expectation at a time. */
/** An expectation without the words that do not matter to its verdict. */
type Bare<E> = E extends Expectation ? Omit<E, "why" | "hint"> : never;
export type BareExpectation = Bare<Expectation>;

export const reasoned = (bare: BareExpectation): Expectation =>
  ({ ...bare, why: "it matters", hint: "look there" }) as Expectation;

/** What becomes of the one expectation. */
export function check(bare: BareExpectation, evidence: Evidence): JudgedCheck {
  const [found] = judge([reasoned(bare)], evidence);
  if (!found) throw new Error("the expectation does not hold in the run's mode");
  return found;
}
export const verdictOf = (bare: BareExpectation, evidence: Evidence): Verdict =>
  check(bare, evidence).verdict;

const loop = [
  span({ id: "root", name: "scenario", durationMs: 100 }),
  span({ id: 1, parent: "root", name: "SELECT customers", kind: 3, startMs: 0, durationMs: 10 }),
  span({
    id: 2,
    parent: "root",
    name: "SELECT orders",
    kind: 3,
    startMs: 20,
    durationMs: 10,
    attributes: { "db.query.text": "select * from orders where id = $1", rows: 1 },
  }),
  span({
    id: 3,
    parent: 2,
    name: "SELECT orders",
    kind: 3,
    startMs: 40,
    durationMs: 20,
    status: 2,
    attributes: { "db.query.text": "select * from orders where id = $1", rows: 3 },
    exception: { type: "PostgresError", message: "deadlock detected" },
  }),
];
/** A run of a query per item, that has settled. */
export const settled = evidenceOf({ spans: loop, params: { n: 2, name: "SELECT orders", ms: 10 } });
/** The same while it lasts. */
export const running: Evidence = { ...settled, settled: false };
