import fc from "fast-check";
import { expect, test } from "vitest";
import { readStatement } from "./statement.ts";

test.each([
  ["select id from orders where id = $1", "SELECT orders", ["orders"]],
  [
    "SELECT * FROM shop.orders o JOIN customers AS c ON c.id = o.id",
    "SELECT shop.orders customers",
    ["shop.orders", "customers"],
  ],
  ["select 1", "SELECT", []],
  [
    "select a.id from customers a, orders b where a.id = b.id",
    "SELECT customers orders",
    ["customers", "orders"],
  ],
  ["select count(*) from (select 1 from hidden) as x", "SELECT", []],
  ["insert into orders (id) values (1), (2)", "INSERT orders", ["orders"]],
  [
    "insert into orders select id from products on conflict do nothing",
    "INSERT orders products",
    ["orders", "products"],
  ],
  ["update customers set name = 'x' where id = 2", "UPDATE customers", ["customers"]],
  ["delete from orders using customers where true", "DELETE orders", ["orders"]],
  [
    "with recent as (select 1 from orders) select * from customers",
    "SELECT customers",
    ["customers"],
  ],
  ["create table if not exists orders (id int)", "CREATE TABLE orders", ["orders"]],
  ["create unique index if not exists i on orders (id)", "CREATE INDEX orders", ["orders"]],
  ["drop table if exists orders", "DROP TABLE orders", ["orders"]],
  ["analyze orders", "ANALYZE orders", ["orders"]],
  ["explain (analyze, format json) select 1 from orders", "EXPLAIN orders", ["orders"]],
  ["begin", "BEGIN", []],
  ["rollback to s1", "ROLLBACK", []],
  ['select * from "Odd Name" where a = 1', "SELECT Odd Name", ["Odd Name"]],
  ["select pg_advisory_xact_lock(1)", "SELECT", []],
  ["   ", "QUERY", []],
])("%s → %s", (sql, summary, collections) => {
  expect(readStatement(sql)).toMatchObject({ summary, collections });
});

test.each([
  ["where a = 'it''s' and b = 42", "where a = ? and b = ?"],
  ["where a = E'x\\'y' and b = -1.5e3", "where a = ? and b = ?"],
  ["select $$secret$$, $tag$more$tag$, $1", "select ?, ?, $1"],
  ["select /* secret */ a -- secret\n from t2", "select a from t2"],
  ["limit 10\n\n offset  5", "limit ? offset ?"],
  ["where a = '--x' and b = '/*y' or c = '$$z'", "where a = ? and b = ? or c = ?"],
  ["where a = 'it''s -- secret' /* ' */ and b = 1", "where a = ? and b = ?"],
])("literals and comments go: %s", (sql, text) => {
  expect(readStatement(sql).text).toBe(text);
});

test("no literal survives, whatever stands in it", () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      const literal = `'needle${value.replaceAll("'", "''")}needle'`;
      const { text, summary } = readStatement(
        `select a from orders where b = ${literal} and c = 1`,
      );
      expect(text).not.toContain("needle");
      expect(summary).toBe("SELECT orders");
    }),
  );
});

test("any text is read without an error", () => {
  fc.assert(fc.property(fc.string(), (sql) => void readStatement(sql)));
});
