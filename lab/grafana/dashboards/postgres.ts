import { metric } from "#scenarios/names.ts";
import type { Dashboard } from "../dashboard.ts";
import {
  curves,
  firstOf,
  growth,
  number,
  promql,
  quantile,
  rate,
  rateFromFirst,
  renamed,
} from "../promql.ts";
import { dashboardUid } from "../uids.ts";

const lab = '{postgresql_database_name="lab"}';
/** The receiver's names first, then those of the lab's stand-in. */
const rates = (real: string, standIn: string): string =>
  firstOf(`sum(${rate(`${real}${lab}`)})`, `sum(${rate(standIn)})`);
const grown = (real: string, standIn: string): string =>
  firstOf(`sum(${growth(`${real}${lab}`)})`, `sum(${growth(standIn)})`);
const byTable = (real: string, standIn: string): string => {
  const series = `${real}{postgresql_table_name=~"(shop[.])?$table"}`;
  return firstOf(
    `sum by (table) (${renamed(rate(series), "table", "postgresql_table_name", "(?:.+[.])?(.+)")})`,
    `sum by (table) (${rate(`${standIn}{table=~"$table"}`)})`,
  );
};
const rowsOf = (state: "live" | "dead"): string => {
  const series = `postgresql_rows{state="${state}",postgresql_table_name=~"(shop[.])?$table"}`;
  return firstOf(
    `sum by (table) (${renamed(series, "table", "postgresql_table_name", "(?:.+[.])?(.+)")})`,
    `sum by (table) (lab_pg_table_${state}_rows{table=~"$table"})`,
  );
};
const operations = `${metric.dbOperationDuration}_bucket{db_system_name="postgresql"}`;

/** PostgreSQL, as it says itself and as the app sees it. */
export const postgres: Dashboard = {
  uid: dashboardUid.postgres,
  description:
    "The database as it says itself (the Collector's postgresql receiver, or the lab's stand-in for it) and as the app sees it.",
  variables: [
    {
      name: "table",
      label: "Table",
      description: "Tables of the shop.",
      query: firstOfTables(),
      regex: '/table(?:_name)?="(?:shop[.])?([^"]+)"/',
    },
  ],
  rows: [
    {
      title: "At a glance",
      panels: [
        number(
          {
            ...{ id: 1, title: "Connections in use", unit: "percentunit", max: 1 },
            description: "Connections to the shop's database, of those that PostgreSQL accepts.",
            thresholds: { warn: 0.7, bad: 0.9 },
          },
          promql(
            `(${firstOf(`sum(postgresql_backends${lab})`, "sum(lab_pg_backends)")}) / (${firstOf("max(postgresql_connection_max)", "max(lab_pg_connections_max)")})`,
            "in use",
          ),
        ),
        number(
          {
            ...{ id: 2, title: "Found in buffers", unit: "percentunit", max: 1 },
            description: "Share of the blocks that were in shared buffers when asked for.",
            thresholds: { warn: 0.99, bad: 0.9, below: true },
          },
          promql(
            firstOf(
              `sum(${growth(`postgresql_blks_hit_total${lab}`)}) / (sum(${growth(`postgresql_blks_hit_total${lab}`)}) + sum(${growth(`postgresql_blks_read_total${lab}`)}))`,
              `sum(${growth("lab_pg_blocks_hit_total")}) / (sum(${growth("lab_pg_blocks_hit_total")}) + sum(${growth("lab_pg_blocks_read_total")}))`,
            ),
            "found",
            { instant: true },
          ),
        ),
        number(
          {
            ...{ id: 3, title: "Deadlocks", unit: "none", thresholds: { warn: 1, bad: 5 } },
            description: "Deadlocks found in the window shown.",
          },
          promql(grown("postgresql_deadlocks_total", "lab_pg_deadlocks_total"), "deadlocks", {
            instant: true,
          }),
        ),
        number(
          {
            ...{ id: 4, title: "Rolled back", unit: "none", thresholds: { warn: 1, bad: 20 } },
            description: "Transactions rolled back in the window shown.",
          },
          promql(grown("postgresql_rollbacks_total", "lab_pg_rollbacks_total"), "rolled back", {
            instant: true,
          }),
        ),
        number(
          {
            ...{ id: 5, title: "Database size", unit: "bytes" },
            description: "Size of the shop's database on disk.",
          },
          promql(
            firstOf(`sum(postgresql_db_size_bytes${lab})`, "sum(lab_pg_database_size_bytes)"),
            "size",
          ),
        ),
        number(
          {
            ...{ id: 6, title: "Gave up waiting", unit: "none", thresholds: { warn: 1, bad: 10 } },
            description: "Queries of the app that got no connection in time, in the window shown.",
          },
          promql(`sum(${growth(metric.dbConnectionTimeouts)})`, "gave up", { instant: true }),
        ),
      ],
    },
    {
      title: "The app's side",
      panels: [
        curves(
          {
            ...{ id: 10, title: "Operations, p95", unit: "s" },
            description: "Duration of the app's queries by kind and table. Dots lead to traces.",
          },
          promql(
            quantile(0.95, operations, ["db_operation_name", "db_collection_name"]),
            "{{db_operation_name}} {{db_collection_name}}",
            { exemplars: true },
          ),
        ),
        curves(
          {
            ...{ id: 11, title: "Connection pool", unit: "none" },
            description: "The app's connections by state, and queries that wait for one.",
          },
          promql(
            `sum by (db_client_connection_pool_name, state) (${metric.dbConnectionCount})`,
            "{{db_client_connection_pool_name}} {{state}}",
          ),
          promql(
            `sum by (db_client_connection_pool_name) (${metric.dbConnectionPending})`,
            "{{db_client_connection_pool_name}} waiting",
          ),
        ),
        curves(
          {
            ...{ id: 12, title: "Failed operations", unit: "ops" },
            description: "By SQLSTATE or the driver's code.",
          },
          promql(
            `sum by (error_type) (${rateFromFirst(`${metric.dbOperationDuration}_count{db_system_name="postgresql",error_type!=""}`)})`,
            "{{error_type}}",
          ),
        ),
      ],
    },
    {
      title: "The server's side",
      panels: [
        curves(
          {
            ...{ id: 20, title: "Transactions", unit: "ops" },
            description: "Committed and rolled back per second; reading the metrics adds some.",
          },
          promql(rates("postgresql_commits_total", "lab_pg_commits_total"), "committed"),
          promql(rates("postgresql_rollbacks_total", "lab_pg_rollbacks_total"), "rolled back"),
        ),
        curves(
          {
            ...{ id: 21, title: "Sequential scans by table", unit: "ops" },
            description:
              "Scans that read a whole table: cheap for small ones, a missing index for large ones.",
          },
          promql(
            byTable("postgresql_sequential_scans_total", "lab_pg_table_sequential_scans_total"),
            "{{table}}",
          ),
        ),
        curves(
          {
            ...{ id: 22, title: "Index scans by table", unit: "ops" },
            description: "Scans of the table's indexes.",
          },
          promql(
            byTable("postgresql_index_scans_total", "lab_pg_table_index_scans_total"),
            "{{table}}",
          ),
        ),
        curves(
          {
            ...{ id: 23, title: "Rows read", unit: "ops" },
            description: "Rows that scans went through, and rows that index scans fetched.",
          },
          promql(rates("postgresql_tup_returned_total", "lab_pg_rows_read_total"), "gone through"),
          promql(rates("postgresql_tup_fetched_total", "lab_pg_rows_returned_total"), "fetched"),
        ),
        curves(
          {
            ...{ id: 24, title: "Rows written", unit: "ops" },
            description: "Rows inserted, updated and deleted.",
          },
          promql(rates("postgresql_tup_inserted_total", "lab_pg_rows_inserted_total"), "inserted"),
          promql(rates("postgresql_tup_updated_total", "lab_pg_rows_updated_total"), "updated"),
          promql(rates("postgresql_tup_deleted_total", "lab_pg_rows_deleted_total"), "deleted"),
        ),
        curves(
          {
            ...{ id: 25, title: "Locks", unit: "none" },
            description: "Locks held or asked for; reading the metrics takes some.",
          },
          promql(
            firstOf(
              "sum(postgresql_database_locks)",
              "sum(lab_pg_locks_granted) + sum(lab_pg_locks_waiting)",
            ),
            "locks",
          ),
        ),
        curves(
          {
            ...{ id: 26, title: "Temporary files", unit: "Bps" },
            description: "What sorts and joins wrote to disk because work_mem was too small.",
          },
          promql(rates("postgresql_temp_io_bytes_total", "lab_pg_temp_bytes_total"), "written"),
        ),
        curves(
          {
            ...{ id: 27, title: "Rows by table", unit: "short" },
            description: "Live rows as PostgreSQL estimates them.",
          },
          promql(rowsOf("live"), "{{table}}"),
        ),
        curves(
          {
            ...{ id: 28, title: "Dead rows by table", unit: "short" },
            description: "Rows that a vacuum would remove, as PostgreSQL estimates them.",
          },
          promql(rowsOf("dead"), "{{table}}"),
        ),
      ],
    },
  ],
};

/** Tables by either name of the metric: the series are read whole, and the variable's pattern picks the name. */
function firstOfTables(): string {
  return 'query_result(count by (table, postgresql_table_name) ({__name__=~"postgresql_rows|lab_pg_table_live_rows"}))';
}
