import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { scanSpans } from "../span-scan.ts";
import { spanStage } from "../span-stage.ts";

export interface SpanSink {
  readonly add: (batch: Buffer) => undefined | Promise<unknown>;
  readonly close: () => void;
}

/**
 * SQLite as one would use it well: the store's own quick scan in front, a row per span with its
 * bytes, indexes by trace, service and time, prepared statements, one transaction per batch, WAL,
 * synchronous=NORMAL (which, like the store without fsync, survives the end of the process).
 *
 * With `attributes` it can also answer `key = value` as the store can: a table of (hash, span)
 * that is its own index, the smallest that does it, filled with the hashes the scan has anyway
 * and by one statement per span.
 */
export function sqliteSink(dir: string, attributes: boolean): SpanSink {
  const db = new DatabaseSync(join(dir, attributes ? "attributes.db" : "spans.db"));
  db.exec(`pragma journal_mode = wal; pragma synchronous = normal;
    create table span (number integer primary key, trace blob, id blob, parent blob, service text, name text, start integer, duration integer, kind integer, status integer, bytes blob);
    create index by_trace on span (trace); create index by_service on span (service, start); create index by_time on span (start);
    create table attribute (hash integer, span integer, primary key (hash, span)) without rowid;`);
  const insert = db.prepare("insert into span values (?,?,?,?,?,?,?,?,?,?,?)");
  const inserts = new Map<number, StatementSync>();
  /** Inserts this many attributes at once; a span may hold the same one twice. */
  const insertAttributes = (count: number): StatementSync => {
    const known = inserts.get(count);
    if (known !== undefined) return known;
    const rows = Array.from({ length: count }, () => "(?,?)").join(",");
    const made = db.prepare(`insert or ignore into attribute values ${rows}`);
    inserts.set(count, made);
    return made;
  };
  const stage = spanStage();
  let number = 0;
  return {
    add: (batch) => {
      scanSpans(batch, stage);
      db.exec("begin");
      const ids = Buffer.from(stage.traceId.buffer);
      const spanIds = Buffer.from(stage.spanId.buffer);
      const parents = Buffer.from(stage.parentId.buffer);
      for (let i = 0; i < stage.count; i++) {
        const group = stage.group[i] as number;
        const start =
          (stage.start[i * 2 + 1] as number) * 0x1_0000_0000 + (stage.start[i * 2] as number);
        const end = (stage.end[i * 2 + 1] as number) * 0x1_0000_0000 + (stage.end[i * 2] as number);
        const text = (offset: number, length: number): string =>
          batch.toString("utf8", offset, offset + length);
        const offset = stage.offset[i] as number;
        insert.run(
          ++number,
          ids.subarray(i * 16, i * 16 + 16),
          spanIds.subarray(i * 8, i * 8 + 8),
          parents.subarray(i * 8, i * 8 + 8),
          text(
            stage.groups.serviceOffset[group] as number,
            stage.groups.serviceLength[group] as number,
          ),
          text(stage.nameOffset[i] as number, stage.nameLength[i] as number),
          Math.floor(start / 1000),
          end - start,
          stage.kind[i] as number,
          stage.status[i] as number,
          batch.subarray(offset, offset + (stage.length[i] as number)),
        );
        const from = stage.hashStart[i] as number;
        const to = stage.hashStart[i + 1] as number;
        if (!attributes || to === from) continue;
        const values: number[] = [];
        for (let at = from; at < to; at++) values.push(stage.hashes[at] as number, number);
        insertAttributes(to - from).run(...values);
      }
      db.exec("commit");
    },
    close: () => db.close(),
  };
}
