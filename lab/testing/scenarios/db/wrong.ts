import { defineScenario } from "#scenarios/define.ts";

/** For the test of `verify`: it expects what nothing leaves. */
export default defineScenario({
  id: "db.wrong",
  title: "Described as it is not",
  summary: "One query, and something else expected.",
  story: "Nothing reads customers here.",
  params: {},
  modes: ["fault"],
  async serve({ sql }) {
    await sql`select id from products order by id limit 1`;
    return { read: true };
  },
  expect: [
    {
      signal: "span",
      select: { name: "SELECT products", attributes: { "db.collection.name": "customers" } },
      count: 1,
      why: "It is not what happens.",
      hint: "Look at the queries of the trace.",
    },
    {
      signal: "answer",
      status: 200,
      why: "The request itself is fine.",
      hint: "Open the trace.",
    },
  ],
});
