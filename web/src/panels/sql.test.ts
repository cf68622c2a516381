import { expect, test } from "vitest";
import { formatSql } from "./sql.ts";

test("each clause gets a line, and quoted text stays as it is", () => {
  expect(
    formatSql(`select id, "order by"  from orders
      left join customers on true where note = 'no   from here' and n = $1 order by id limit 3`),
  ).toBe(
    `select id, "order by"
from orders
left join customers on true
where note = 'no   from here' and n = $1
order by id
limit 3`,
  );
});
