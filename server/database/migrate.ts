import type { Sql } from "postgres";

/**
 * The shop's tables. Every statement can be repeated, so an app that was stopped half-way heals at
 * its next start.
 */
export async function migrate(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    // Two apps of one clone never start together, but a restart can overlap with a dying one.
    await tx`select pg_advisory_xact_lock(470007)`;
    await tx`
      create table if not exists customers (
        id integer primary key,
        name text not null,
        email text not null,
        city text not null
      )`;
    await tx`
      create table if not exists products (
        id integer primary key,
        name text not null,
        price_cents integer not null
      )`;
    // The indexes come after the rows, see seed.ts: filling an indexed table takes twice as long.
    await tx`
      create table if not exists orders (
        id integer not null,
        customer_id integer not null,
        product_id integer not null,
        quantity smallint not null,
        total_cents integer not null,
        placed_at timestamptz not null,
        invoice_number integer not null
      )`;
    // Above what seed.ts writes.
    await tx`create sequence if not exists placed_order_ids as integer start 500001`;
    await tx`
      create table if not exists seeding (
        id integer primary key,
        orders_done integer not null,
        finished boolean not null default false
      )`;
  });
}
