import { defineScenario } from "#scenarios/define.ts";
import { pause, proxy, stop } from "#scenarios/fault.ts";
import { choice } from "#scenarios/param-spec.ts";

/** For the test of what is left when somebody is killed in the middle: it breaks all it can reach. */
export default defineScenario({
  id: "db.cut-off",
  title: "Cut off from everything",
  summary: "Its database does not answer, its cache stands still, its storage is stopped.",
  story:
    "The fault breaks two connections, pauses a service and stops another; the control does the same work with all of it whole.",
  params: {
    toxic: choice({ label: "Database", default: "hang", options: ["hang", "down"] }),
  },
  modes: ["fault", "control"],
  needs: ["valkey", "minio"],
  timeoutMs: 1000,
  faults: ({ toxic }) => [
    toxic === "hang" ? proxy("postgres").hang() : proxy("postgres").down(),
    proxy("valkey").latency({ ms: 60_000 }),
    pause("valkey"),
    stop("minio"),
  ],
  async serve({ sql, cache }) {
    await sql`select id from products order by id limit 1`;
    return await cache.through("cut-off", { ttlMs: 1000 }, () => Promise.resolve("loaded"));
  },
  expect: [
    {
      signal: "answer",
      status: 200,
      durationMs: { lt: 5000 },
      modes: ["control"],
      why: "Nothing is broken any more.",
      hint: "What was broken before was not mended.",
    },
    {
      signal: "span",
      select: { kind: "client", status: "error" },
      count: 0,
      modes: ["control"],
      why: "Database and cache answer as if nothing had been.",
      hint: "The red span names the connection that is still broken.",
    },
    {
      signal: "span",
      select: { name: "SELECT products", status: "error" },
      why: "The database is away.",
      hint: "Look at the armed faults.",
    },
  ],
});
