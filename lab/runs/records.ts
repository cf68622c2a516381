import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { RunRecord, RunsFilter } from "../api/runs.ts";
import { type EvidenceTable, openEvidenceTable } from "./evidence-table.ts";
import { closeJudgement } from "./judgement.ts";
import { type RunsWanted, runLister } from "./run-list.ts";

/** What is kept of a run; where else it can be looked at is for whoever reads it to say. */
export type KeptRun = Omit<RunRecord, "links">;

/** Run records and the evidence behind them on disk, in `<dir>/runs.db`. */
export interface Records {
  readonly save: (record: KeptRun) => void;
  readonly get: (runId: string) => KeptRun | undefined;
  /** Newest first. */
  readonly list: (by: RunsWanted) => readonly KeptRun[];
  readonly count: (by: RunsFilter) => number;
  readonly evidence: Pick<EvidenceTable, "save" | "get" | "has">;
  readonly close: () => void;
}

/** Raised with every change of the table; a file of another number is set aside. */
const schemaVersion = 1;
/** Runs kept; older ones go. */
export const recordLimit = 2000;

/**
 * Opens the records; makes the file when there is none. Trouble with it is told to `onNotice` and
 * never ends the lab: a file that cannot be used (damaged, or written by a newer lab) is renamed to
 * `runs.db.bad-<time>`; where nothing can be written, history lasts as long as this process.
 */
export function openRecords(dir: string, onNotice: (text: string) => void): Records {
  const db = openSomeDatabase(join(dir, "runs.db"), onNotice);
  const save = db.prepare(
    "INSERT OR REPLACE INTO runs (run_id, scenario, state, record) VALUES (?, ?, ?, ?)",
  );
  const prune = db.prepare(
    `DELETE FROM runs WHERE run_id <= (SELECT run_id FROM runs ORDER BY run_id DESC LIMIT 1 OFFSET ${recordLimit})`,
  );
  const get = db.prepare("SELECT record FROM runs WHERE run_id = ?");
  const lister = runLister(db);
  let newest = "";
  let failing = false;
  let evidenceFailed = false;
  const evidence = openEvidenceTable(db, (error) => {
    if (!evidenceFailed) onNotice(`The evidence of runs cannot be kept: ${messageOf(error)}.`);
    evidenceFailed = true;
  });
  return {
    evidence,
    save: (record) => {
      try {
        save.run(record.runId, record.scenario, record.state, JSON.stringify(record));
        if (record.runId > newest) {
          newest = record.runId;
          prune.run();
        }
        failing = false;
      } catch (error) {
        if (!failing) {
          onNotice(`Runs cannot be recorded: ${messageOf(error)}. New ones go on without.`);
        }
        failing = true;
      }
    },
    get: (runId) => {
      const row = get.get(runId);
      return row && parsed(row);
    },
    list: (by) => lister.list(by).map(parsed),
    count: lister.count,
    close: () => {
      evidence.flush();
      db.close();
    },
  };
}

/** The file, else a new one in its place, else memory. */
function openSomeDatabase(file: string, onNotice: (text: string) => void): DatabaseSync {
  try {
    return openDatabase(file);
  } catch (error) {
    try {
      const aside = setAside(file);
      const db = openDatabase(file);
      onNotice(
        `The run history could not be read (${messageOf(error)}); it was set aside as ${aside} and a new one started.`,
      );
      return db;
    } catch (again) {
      onNotice(`Runs are kept until the lab stops only: ${messageOf(again)}.`);
      return openDatabase(":memory:");
    }
  }
}

const messageOf = (error: unknown): string => (error as Error).message;

const parsed = (row: Readonly<Record<string, unknown>>): KeptRun =>
  upgraded(JSON.parse(String(row.record)) as RunRecord);

/** Records of earlier labs lack what was added since, and hold links to ports of their time. */
const upgraded = ({ links: _, ...record }: RunRecord): KeptRun =>
  record.exitCodes === undefined ? { ...record, exitCodes: {} } : record;

function openDatabase(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  try {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000");
    const version = Number(db.prepare("PRAGMA user_version").get()?.user_version);
    if (version > schemaVersion) throw new Error(`written by a newer lab, schema ${version}`);
    db.exec(
      `CREATE TABLE IF NOT EXISTS runs (
         run_id TEXT PRIMARY KEY, scenario TEXT NOT NULL, state TEXT NOT NULL, record TEXT NOT NULL
       ) STRICT, WITHOUT ROWID;
       CREATE INDEX IF NOT EXISTS runs_by_scenario ON runs (scenario, run_id);
       PRAGMA user_version = ${schemaVersion}`,
    );
    const check = db.prepare("PRAGMA quick_check(1)").get()?.quick_check;
    if (check !== "ok") throw new Error(String(check));
    closeAbandoned(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The journal belongs to the file: left behind, SQLite would play it into the new one. */
function setAside(file: string): string {
  const aside = `${file}.bad-${Date.now()}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  return aside;
}

/** Nobody drives the runs of a lab that was killed: their time ran out with it. */
function closeAbandoned(db: DatabaseSync): void {
  const open = db.prepare("SELECT record FROM runs WHERE state IN ('driving', 'settling')").all();
  const close = db.prepare("UPDATE runs SET state = 'expired', record = ? WHERE run_id = ?");
  for (const record of open.map(parsed)) {
    const ended = {
      ...record,
      ...closeJudgement(record),
      state: "expired",
      endedAt: record.endedAt ?? Date.now(),
    };
    close.run(JSON.stringify(ended), record.runId);
  }
}
