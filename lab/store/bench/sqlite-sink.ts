import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { scanSpans } from "../span-scan.ts";
import { type SpanStage, spanStage } from "../span-stage.ts";
import { decodeWithLibrary, nanoseconds } from "./library-decoder.ts";

export interface SpanSink {
  readonly add: (batch: Buffer) => undefined | Promise<unknown>;
  readonly close: () => void;
}

/**
 * How a batch gets from its bytes to rows.
 * - `library`: by protobufjs, the most used protobuf library, generated code and all, and told of
 *   no more fields than the columns need. It copies no span and decodes no attribute; decoding
 *   whole messages, as most projects would, costs several times as much.
 * - `scanner`: by the store's own scanner, which is the best it could have.
 * - `scanner with attributes`: that, and a table of (attribute hash, span) that is its own index,
 *   the smallest that can answer `key = value` as the store can, filled by one statement per span
 *   with the hashes the scanner has anyway.
 */
export type Decoding = "library" | "scanner" | "scanner with attributes";

/**
 * SQLite as one would use it well: a row per span with its bytes, so that a trace can be read back,
 * indexes by trace, service and time, prepared statements, one transaction per batch, WAL,
 * synchronous=NORMAL (which, like the store without fsync, survives the end of the process), a
 * cache that holds the inner pages of its indexes. Several rows per statement were no quicker.
 */
export function sqliteSink(dir: string, decoding: Decoding): SpanSink {
  const db = new DatabaseSync(join(dir, `${decoding}.db`));
  db.exec(`pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -65536;
    create table span (number integer primary key, trace blob, id blob, parent blob, service text, name text, start integer, duration integer, kind integer, status integer, bytes blob);
    create index by_trace on span (trace); create index by_service on span (service, start); create index by_time on span (start);
    create table attribute (hash integer, span integer, primary key (hash, span)) without rowid;`);
  const insert = db.prepare("insert into span values (?,?,?,?,?,?,?,?,?,?,?)");
  const attributes = decoding === "scanner with attributes" ? attributeInserts(db) : undefined;
  const stage = spanStage();
  let number = 0;

  function addDecoded(batch: Buffer): void {
    decodeWithLibrary(batch, (span, service, bytes) => {
      const start = nanoseconds(span.startTimeUnixNano);
      const parent = span.parentSpanId.length > 0 ? (span.parentSpanId as Uint8Array) : null;
      insert.run(
        ++number,
        span.traceId,
        span.spanId,
        parent,
        service,
        span.name,
        Math.floor(start / 1000),
        nanoseconds(span.endTimeUnixNano) - start,
        span.kind,
        span.status?.code ?? 0,
        bytes,
      );
    });
  }

  function addScanned(batch: Buffer): void {
    scanSpans(batch, stage);
    const ids = Buffer.from(stage.traceId.buffer);
    const spanIds = Buffer.from(stage.spanId.buffer);
    const parents = Buffer.from(stage.parentId.buffer);
    const text = (offset: number | undefined, length: number | undefined): string =>
      batch.toString("utf8", offset, (offset as number) + (length as number));
    for (let i = 0; i < stage.count; i++) {
      const group = stage.group[i] as number;
      const start = timeAt(stage.start, i);
      const offset = stage.offset[i] as number;
      insert.run(
        ++number,
        ids.subarray(i * 16, i * 16 + 16),
        spanIds.subarray(i * 8, i * 8 + 8),
        parents.subarray(i * 8, i * 8 + 8),
        text(stage.groups.serviceOffset[group], stage.groups.serviceLength[group]),
        text(stage.nameOffset[i], stage.nameLength[i]),
        Math.floor(start / 1000),
        timeAt(stage.end, i) - start,
        stage.kind[i] as number,
        stage.status[i] as number,
        batch.subarray(offset, offset + (stage.length[i] as number)),
      );
      attributes?.(stage, i, number);
    }
  }

  return {
    add: (batch) => {
      db.exec("begin");
      if (decoding === "library") addDecoded(batch);
      else addScanned(batch);
      db.exec("commit");
    },
    close: () => db.close(),
  };
}

const timeAt = (words: Uint32Array, row: number): number =>
  (words[row * 2 + 1] as number) * 0x1_0000_0000 + (words[row * 2] as number);

/** Inserts the attribute hashes of a staged span by one statement; a span may hold the same one twice. */
function attributeInserts(db: DatabaseSync): (stage: SpanStage, i: number, span: number) => void {
  const inserts = new Map<number, StatementSync>();
  const insertOf = (count: number): StatementSync => {
    const known = inserts.get(count);
    if (known !== undefined) return known;
    const rows = Array.from({ length: count }, () => "(?,?)").join(",");
    const made = db.prepare(`insert or ignore into attribute values ${rows}`);
    inserts.set(count, made);
    return made;
  };
  return (stage, i, span) => {
    const from = stage.hashStart[i] as number;
    const to = stage.hashStart[i + 1] as number;
    if (to === from) return;
    const values: number[] = [];
    for (let at = from; at < to; at++) values.push(stage.hashes[at] as number, span);
    insertOf(to - from).run(...values);
  };
}
