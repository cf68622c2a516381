import { defineScenario } from "#scenarios/define.ts";

/** For the test of `verify`: a catalogue of its own, of one scenario that is right and one that is not. */
export default defineScenario({
  id: "db.right",
  title: "Described as it is",
  summary: "One query, and what is expected of it.",
  story: "The fault reads twice, the control once.",
  params: {},
  modes: ["fault", "control"],
  async serve({ mode, sql }) {
    await sql`select id from products order by id limit 1`;
    if (mode === "fault") await sql`select id from orders where id = 1`;
    return { read: true };
  },
  expect: [
    {
      signal: "span",
      select: { name: "SELECT orders", kind: "client" },
      count: 1,
      why: "The fault reads the orders as well.",
      hint: "Look at the queries of the trace.",
    },
    {
      signal: "span",
      select: { name: "SELECT products", kind: "client" },
      count: 1,
      modes: ["fault", "control"],
      why: "Both read the products.",
      hint: "Look at the queries of the trace.",
    },
  ],
});
