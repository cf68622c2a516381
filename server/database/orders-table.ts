import type { Sql, TransactionSql } from "postgres";
import { fillOrders, seedSize } from "./seed.ts";

/** For tables that scenarios asked for; nothing else of the shop looks there. */
const schema = "archive";

/**
 * Name of a table with so many orders: the shop's own, or one in schema `archive`, which is filled
 * when it is missing and kept until another size is asked for. It has the shop's index on `id`.
 */
export async function ordersTable(sql: Sql, rows: number): Promise<string> {
  if (rows === seedSize.orders) return "orders";
  const name = `${schema}.orders_${rows}`;
  await sql.begin(async (tx) => {
    const kept = await tx<{ name: string }[]>`
      select schemaname || '.' || tablename as name from pg_tables where schemaname = ${schema}`;
    if (kept.some((one) => one.name === name) && (await isFull(tx, name, rows))) return;
    for (const old of kept) await tx`drop table ${tx(old.name)}`;
    // It can be made again, so it is not logged.
    await tx`create unlogged table ${tx(name)} (like shop.orders)`;
    await fillOrders(tx, { table: name, from: 1, to: rows, of: rows });
    await tx`create unique index on ${tx(name)} (id)`;
    await tx`analyze ${tx(name)}`;
  });
  return name;
}

/** A crash of the database empties what is not logged. */
async function isFull(sql: TransactionSql, name: string, rows: number): Promise<boolean> {
  const [last] = await sql`select max(id) as id from ${sql(name)}`;
  return last?.id === rows;
}
