import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type Router from "@koa/router";
import type { Sql } from "postgres";

const rowsPerChunk = 125;

/** `GET /api/customers/export`: all customers as CSV, streamed so that other requests get their turn. */
export function customerExportRoute(router: Router, sql: Sql): void {
  router.get("/api/customers/export", async function customerExport(ctx) {
    const rows = await sql<{ id: number; name: string; city: string }[]>`
      select id, name, city from customers order by id`;
    ctx.type = "text/csv";
    ctx.body = Readable.from(linesOf(rows));
  });
}

async function* linesOf(
  rows: readonly { readonly id: number; readonly name: string; readonly city: string }[],
): AsyncGenerator<string> {
  for (let at = 0; at < rows.length; at += rowsPerChunk) {
    yield rows
      .slice(at, at + rowsPerChunk)
      .map(({ id, name, city }) => `${id},${quoted(name)},${quoted(city)}\n`)
      .join("");
    await nextTurn();
  }
}

const quoted = (value: string): string => `"${value.replaceAll('"', '""')}"`;
