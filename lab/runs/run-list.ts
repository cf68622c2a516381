import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { RunsFilter } from "../api/runs.ts";

/** A page of runs: those that `filter` is true of, newest first. */
export interface RunsWanted extends RunsFilter {
  /** Only runs older than this one. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Reads the table `runs` of a database by what its records say. */
export function runLister(db: DatabaseSync) {
  const known = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  const prepared = (text: string) => {
    const statement = known.get(text) ?? db.prepare(text);
    known.set(text, statement);
    return statement;
  };
  return {
    /** Records as they were saved. */
    list: ({
      before,
      limit,
      ...filter
    }: RunsWanted): readonly Readonly<Record<string, unknown>>[] => {
      const { where, values } = conditionsOf(filter, before);
      const text = `SELECT record FROM runs ${where} ORDER BY run_id DESC LIMIT ?`;
      return prepared(text).all(...values, limit);
    },
    /** How many there are on all pages. */
    count: (filter: RunsFilter): number => {
      const { where, values } = conditionsOf(filter);
      return Number(prepared(`SELECT count(*) AS n FROM runs ${where}`).get(...values)?.n);
    },
  };
}

function conditionsOf({ scenario, mode, verdict, q }: RunsFilter, before?: string) {
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  const add = (condition: string, ...given: readonly SQLInputValue[]) => {
    conditions.push(condition);
    values.push(...given);
  };
  if (before !== undefined) add("run_id < ?", before);
  if (scenario !== undefined) add("scenario = ?", scenario);
  if (mode !== undefined) add("record ->> '$.mode' = ?", mode);
  if (verdict === "other") add("record ->> '$.verdict' NOT IN ('pass', 'fail')");
  else if (verdict !== undefined) add("record ->> '$.verdict' = ?", verdict);
  if (q !== undefined) {
    const text = q.trim().toLowerCase();
    add(
      "(instr(scenario, ?) OR instr(run_id, ?) OR instr(record ->> '$.traceIds', ?))",
      ...[text, text, text],
    );
  }
  return { where: conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`, values };
}
