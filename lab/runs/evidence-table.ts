import type { DatabaseSync } from "node:sqlite";
import { gunzipSync, gzip, gzipSync } from "node:zlib";
import type { Evidence } from "../judge/evidence.ts";

/** Evidence of runs that have ended, on disk: for explaining them and for judging them again. */
export interface EvidenceTable {
  /** Replaces what is kept of the run. Written behind the caller's back. */
  readonly save: (runId: string, evidence: Evidence) => void;
  /** As JSON; undefined when it was never kept or had to go. */
  readonly get: (runId: string) => string | undefined;
  readonly has: (runId: string) => boolean;
  /** Writes what is still on its way. */
  readonly flush: () => void;
}

export interface EvidenceLimits {
  readonly runs: number;
  /** Compressed. */
  readonly bytes: number;
}
/** A run of the catalogue takes 5 to 50 kB. */
const usualLimits: EvidenceLimits = { runs: 500, bytes: 64 * 1024 * 1024 };
/** Most of the size goes at the lowest level already, in a third of the time. */
const compression = { level: 1 } as const;

/**
 * The table `evidence` of a database. Keeps the newest runs up to the limits; the oldest go first.
 * @param onTrouble told of what could not be written.
 */
export function openEvidenceTable(
  db: DatabaseSync,
  onTrouble: (error: unknown) => void,
  limits: EvidenceLimits = usualLimits,
): EvidenceTable {
  db.exec(
    "CREATE TABLE IF NOT EXISTS evidence (run_id TEXT PRIMARY KEY, bytes INTEGER NOT NULL, gzip BLOB NOT NULL) STRICT",
  );
  const insert = db.prepare(
    "INSERT OR REPLACE INTO evidence (run_id, bytes, gzip) VALUES (?, ?, ?)",
  );
  const select = db.prepare("SELECT gzip FROM evidence WHERE run_id = ?");
  const find = db.prepare("SELECT 1 FROM evidence WHERE run_id = ?");
  const prune = db.prepare(
    `DELETE FROM evidence WHERE run_id IN (
       SELECT run_id FROM (
         SELECT run_id, row_number() OVER newest AS nth, sum(bytes) OVER newest AS total
         FROM evidence WINDOW newest AS (ORDER BY run_id DESC)
       ) WHERE nth > ? OR total > ?)`,
  );
  /** Not written yet, by run id. */
  const onTheWay = new Map<string, string>();

  function write(runId: string, text: string, packed: Buffer): void {
    // A newer text of the same run is on its way: this one came too late.
    if (onTheWay.get(runId) !== text) return;
    onTheWay.delete(runId);
    try {
      insert.run(runId, packed.length, packed);
      prune.run(limits.runs, limits.bytes);
    } catch (error) {
      onTrouble(error);
    }
  }

  return {
    save: (runId, evidence) => {
      const text = JSON.stringify(evidence);
      onTheWay.set(runId, text);
      gzip(text, compression, (error, packed) => {
        if (error === null) write(runId, text, packed);
        else onTrouble(error);
      });
    },
    get: (runId) => {
      const waiting = onTheWay.get(runId);
      if (waiting !== undefined) return waiting;
      const packed = select.get(runId)?.gzip;
      return packed instanceof Uint8Array ? gunzipSync(packed).toString() : undefined;
    },
    has: (runId) => onTheWay.has(runId) || find.get(runId) !== undefined,
    flush: () => {
      for (const [runId, text] of onTheWay) write(runId, text, gzipSync(text, compression));
    },
  };
}
