import type { Sql, TransactionSql } from "postgres";

export const seedSize = { customers: 5_000, products: 200, orders: 500_000 } as const;
/** Orders per transaction: small enough for a lively progress, big enough to be quick. */
const ordersPerStep = 50_000;
/** Part of the whole time that the rows take; the rest is for indexes and statistics. */
const ordersShare = 0.7;
/** The step in which the database works alone for a while. */
export const indexingStep = "indexing orders";

/**
 * Fills the shop with the same rows every time; the database computes them. Each step counts itself
 * in its own transaction, so a seed that was interrupted goes on where it stopped, and a second
 * call has nothing to do. `onProgress` gets the share done, from 0 to 1.
 */
export async function seed(
  sql: Sql,
  onProgress: (step: string, done: number) => void,
): Promise<void> {
  const state = await seedState(sql);
  if (state.finished) return;
  let done = state.orders_done;
  onProgress("seeding orders", (done / seedSize.orders) * ordersShare);
  if (done === 0) await seedCatalogue(sql);
  while (done < seedSize.orders) {
    done = await seedOrders(sql, done);
    onProgress("seeding orders", (done / seedSize.orders) * ordersShare);
  }
  onProgress(indexingStep, ordersShare);
  await indexOrders(sql);
  await sql`analyze customers, products, orders`;
  await sql`update seeding set finished = true`;
  onProgress("seeded", 1);
}

/** Whether {@link seed} has nothing left to do. */
export const isSeeded = async (sql: Sql): Promise<boolean> => (await seedState(sql)).finished;

interface SeedState {
  readonly orders_done: number;
  readonly finished: boolean;
}

async function seedState(sql: Sql): Promise<SeedState> {
  const [row] = await sql<SeedState[]>`select orders_done, finished from seeding where id = 1`;
  return row ?? { orders_done: 0, finished: false };
}

/** `invoice_number` gets no index on purpose: scenario db.missing-index searches by it. */
async function indexOrders(sql: Sql): Promise<void> {
  // Unlike `add primary key`, these two only lock out writers, so they run side by side.
  await Promise.all([
    sql`create unique index if not exists orders_id on orders (id)`,
    sql`create index if not exists orders_customer_id on orders (customer_id)`,
  ]);
}

async function seedCatalogue(sql: Sql): Promise<void> {
  const { customers, products } = seedSize;
  await sql`
    insert into customers (id, name, email, city)
    select
      n,
      (array['Ada','Grace','Linus','Edsger','Barbara','Alan','Radia','Ken'])[1 + n % 8]
        || ' ' || (array['Berg','Costa','Dubois','Ek','Fuchs','Garcia','Haas'])[1 + n % 7],
      'customer' || n || '@shop.example',
      (array['Lyon','Graz','Porto','Gent','Turku','Brno'])[1 + n % 6]
    from generate_series(1, ${customers}::integer) as n
    on conflict do nothing`;
  await sql`
    insert into products (id, name, price_cents)
    select n, 'Product ' || n, 500 + (n * 7919) % 19500
    from generate_series(1, ${products}::integer) as n
    on conflict do nothing`;
}

async function seedOrders(sql: Sql, done: number): Promise<number> {
  const next = Math.min(done + ordersPerStep, seedSize.orders);
  await sql.begin(async (tx) => {
    await tx`set local synchronous_commit = off`;
    await fillOrders(tx, { table: "orders", from: done + 1, to: next, of: seedSize.orders });
    await tx`
      insert into seeding (id, orders_done) values (1, ${next})
      on conflict (id) do update set orders_done = excluded.orders_done`;
  });
  return next;
}

/** Writes the orders `from` to `to` of a table that is to have `of`; each invoice number occurs once. */
export async function fillOrders(
  sql: TransactionSql,
  rows: {
    readonly table: string;
    readonly from: number;
    readonly to: number;
    readonly of: number;
  },
): Promise<void> {
  const { customers, products } = seedSize;
  // Multiplying by a prime scatters neighbours over customers, products and invoices.
  await sql`
    insert into ${sql(rows.table)}
      (id, customer_id, product_id, quantity, total_cents, placed_at, invoice_number)
    select
      n,
      1 + (n::bigint * 48271 % ${customers}::integer)::integer,
      1 + (n::bigint * 16807 % ${products}::integer)::integer,
      1 + n % 5,
      500 + (n::bigint * 69621 % 90000)::integer,
      timestamptz '2026-01-01 00:00:00+00' + n * interval '40 seconds',
      (n::bigint * 7368787 % ${rows.of}::integer)::integer
    from generate_series(${rows.from}::integer, ${rows.to}::integer) as n`;
}
