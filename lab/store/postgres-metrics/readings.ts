import type { MetricFamily, Sample } from "./metric-family.ts";

/**
 * One message of several statements: one round trip, and one moment. Needs the role `pg_monitor`;
 * https://www.postgresql.org/docs/current/monitoring-stats.html explains the columns.
 */
export const readingStatements = `
  select xact_commit::float8 as commits, xact_rollback::float8 as rollbacks,
    deadlocks::float8, temp_files::float8, temp_bytes::float8,
    blks_hit::float8 as blocks_hit, blks_read::float8 as blocks_read,
    tup_returned::float8 as rows_read, tup_fetched::float8 as rows_returned,
    tup_inserted::float8 as rows_inserted, tup_updated::float8 as rows_updated,
    tup_deleted::float8 as rows_deleted,
    pg_database_size(datid)::float8 as size_bytes,
    extract(epoch from pg_postmaster_start_time())::float8 as started_at,
    current_setting('max_connections')::float8 as max_connections
  from pg_stat_database where datname = current_database();

  select coalesce(state, 'unknown') as state, count(*)::float8 as backends,
    (count(*) filter (where wait_event_type = 'Lock'))::float8 as waiting,
    coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 as transaction_seconds
  from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
  group by 1;

  select granted, count(*)::float8 as locks from pg_locks where pid <> pg_backend_pid() group by 1;

  select relname as "table", seq_scan::float8 as sequential_scans,
    seq_tup_read::float8 as sequential_rows_read,
    coalesce(idx_scan, 0)::float8 as index_scans,
    coalesce(idx_tup_fetch, 0)::float8 as index_rows_fetched,
    n_live_tup::float8 as live_rows, n_dead_tup::float8 as dead_rows
  from pg_stat_user_tables where schemaname in ('shop', 'archive') order by relname`;

type Row<Numbers extends string> = Readonly<Record<Numbers, number>>;

/** What {@link readingStatements} answers, in their order. */
export type Reading = readonly [
  readonly [
    Row<
      | "commits"
      | "rollbacks"
      | "deadlocks"
      | "temp_files"
      | "temp_bytes"
      | "blocks_hit"
      | "blocks_read"
      | "rows_read"
      | "rows_returned"
      | "rows_inserted"
      | "rows_updated"
      | "rows_deleted"
      | "size_bytes"
      | "started_at"
      | "max_connections"
    >,
  ],
  readonly ({ readonly state: string } & Row<"backends" | "waiting" | "transaction_seconds">)[],
  readonly ({ readonly granted: boolean } & Row<"locks">)[],
  readonly ({ readonly table: string } & Row<TableNumber>)[],
];

type TableNumber =
  | "sequential_scans"
  | "sequential_rows_read"
  | "index_scans"
  | "index_rows_fetched"
  | "live_rows"
  | "dead_rows";

const origin =
  "Read from pg_stat_* by the lab's stand-in for the OpenTelemetry Collector's postgresql receiver.";

/** The metrics of a reading; without one only that PostgreSQL does not answer. */
export function metricFamilies(reading: Reading | undefined): readonly MetricFamily[] {
  const up = gauge("up", "Whether PostgreSQL answers.", reading === undefined ? 0 : 1);
  if (reading === undefined) return [up];
  const [[database], backends, locks, tables] = reading;
  const states = ["active", "idle", "idle in transaction"];
  const others = backends.map(({ state }) => state).filter((state) => !states.includes(state));
  const locksOf = (granted: boolean) => locks.find((row) => row.granted === granted)?.locks ?? 0;
  const perTable = (name: TableNumber, help: string, type: MetricFamily["type"] = "counter") =>
    family(
      type,
      `table_${name}`,
      `${help} By table.`,
      tables.map((row) => ({ labels: { table: row.table }, value: row[name] })),
    );
  return [
    up,
    {
      // By this name a counter's reader knows that counting began anew.
      ...gauge("start", "", database.started_at),
      name: "process_start_time_seconds",
      help: `Start time of PostgreSQL since the epoch. ${origin}`,
    },
    family(
      "gauge",
      "backends",
      "Connections to the shop's database, by state; the stand-in's own is left out.",
      [...states, ...others].map((state) => ({
        labels: { state },
        value: backends.find((row) => row.state === state)?.backends ?? 0,
      })),
    ),
    gauge("connections_max", "Most connections that PostgreSQL accepts.", database.max_connections),
    gauge("backends_waiting", "Connections that wait for a lock.", sum(backends, "waiting")),
    gauge("locks_granted", "Locks held.", locksOf(true)),
    gauge("locks_waiting", "Locks asked for and not granted yet.", locksOf(false)),
    gauge(
      "longest_transaction_seconds",
      "Age of the oldest open transaction.",
      Math.max(0, ...backends.map((row) => row.transaction_seconds)),
    ),
    counter("commits", "Transactions committed; each scrape adds one.", database.commits),
    counter("rollbacks", "Transactions rolled back.", database.rollbacks),
    counter("deadlocks", "Deadlocks found.", database.deadlocks),
    counter("rows_read", "Rows that scans read.", database.rows_read),
    counter("rows_returned", "Rows that index scans fetched.", database.rows_returned),
    counter("rows_inserted", "Rows inserted.", database.rows_inserted),
    counter("rows_updated", "Rows updated.", database.rows_updated),
    counter("rows_deleted", "Rows deleted.", database.rows_deleted),
    counter("blocks_hit", "Blocks found in shared buffers.", database.blocks_hit),
    counter("blocks_read", "Blocks asked of the operating system.", database.blocks_read),
    counter("temp_files", "Temporary files that queries wrote.", database.temp_files),
    counter("temp_bytes", "Bytes in such files.", database.temp_bytes),
    gauge("database_size_bytes", "Size of the database on disk.", database.size_bytes),
    perTable("sequential_scans", "Sequential scans."),
    perTable("sequential_rows_read", "Rows that sequential scans read."),
    perTable("index_scans", "Index scans."),
    perTable("index_rows_fetched", "Rows that index scans fetched."),
    perTable("live_rows", "Rows, as estimated.", "gauge"),
    perTable("dead_rows", "Rows that a vacuum would remove, as estimated.", "gauge"),
  ];
}

const family = (
  type: MetricFamily["type"],
  name: string,
  help: string,
  samples: readonly Sample[],
): MetricFamily => ({ name: `lab_pg_${name}`, type, help: `${help} ${origin}`, samples });
const gauge = (name: string, help: string, value: number) =>
  family("gauge", name, help, [{ value }]);
const counter = (name: string, help: string, value: number) =>
  family("counter", name, help, [{ value }]);
const sum = <Key extends string>(rows: readonly Row<Key>[], key: Key): number =>
  rows.reduce((total, row) => total + row[key], 0);
