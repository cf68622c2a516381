import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

export default defineScenario({
  id: "cache.cold-miss",
  title: "Cold cache",
  summary: "After a deploy or a flush every first read misses: the database serves them all.",
  story: `A cache is empty after a restart, a flush, or a change of its keys. Every first read misses, asks the database and stores what it got. The second read is quick again. Nothing fails; for a while the database carries what the cache usually keeps from it.

You see it in the shape of each read: \`GET\` without a value, \`cache load\` with its \`SELECT\`, then \`SET\`. The second read is one \`GET\`. \`lab.cache.outcome\` says \`miss\`, then \`hit\`, and \`lab_cache_requests_total\` counts both. Sentry stays silent, because a miss is not an error.

Teams warm what is hot before traffic arrives, roll out slowly, or keep the old keys until the new ones are filled. The control run reads products that somebody has put there before: the same reads, and not one query.`,
  params: {
    keys: integer({ label: "Products", default: 10, min: 1, max: 100, unit: "keys" }),
    ttlSeconds: integer({
      label: "Time to live",
      help: "Each product is read again at once, so that a short one is no miss.",
      default: 30,
      min: 1,
      max: 300,
      unit: "s",
    }),
  },
  modes: ["fault", "control"],
  leases: ["valkey", "metrics"],
  async serve({ mode, params, runId, sql, cache, log }) {
    const ids = Array.from({ length: params.keys }, (_, index) => index + 1);
    const keyOf = (id: number): string => `cold-miss:${runId}:${id}`;
    const keeping = { ttlMs: params.ttlSeconds * 1000 };
    const product = (id: number) =>
      cache.through(keyOf(id), keeping, async () => {
        const [row] = await sql`select id, name, price_cents from products where id = ${id}`;
        return row ?? null;
      });
    try {
      for (const id of ids) {
        if (mode === "control") {
          await cache.client.set(keyOf(id), JSON.stringify({ id }), "PX", keeping.ttlMs);
        }
        for (const _ of ["cold", "warm"]) await product(id);
      }
      log.info({ keys: params.keys }, "products read twice");
      return { keys: params.keys };
    } finally {
      await cache.forget(...ids.map(keyOf));
    }
  },
  expect: [
    {
      signal: "span",
      select: { name: "cache read", attributes: { "lab.cache.outcome": "miss" } },
      count: "${params.keys}",
      why: "Each key is missed exactly once: by the first who asks for it.",
      hint: "More misses mean that a value was not kept; fewer, that the cache was not cold.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT products",
        kind: "client",
        childOf: { name: "cache load", childOf: { name: "cache read" } },
      },
      count: "${params.keys}",
      why: "The database serves what the cache lacks, and the query shows below the read that caused it.",
      hint: "A query outside of `cache load` went past the cache.",
    },
    {
      signal: "span",
      select: {
        name: "SET",
        kind: "client",
        status: "unset",
        attributes: {
          "db.system.name": "redis",
          "db.operation.name": "SET",
          "db.query.text": { matches: "^SET cold-miss:[?]:[0-9?]+ [?] PX [?]$" },
        },
        childOf: { name: "cache read", attributes: { "lab.cache.outcome": "miss" } },
      },
      count: "${params.keys}",
      why: "What was loaded is kept. The span shows the key, and of the value nothing.",
      hint: "Without SET the next read misses again; values in db.query.text are a leak.",
    },
    {
      signal: "span",
      select: { name: "cache read", attributes: { "lab.cache.outcome": "hit" } },
      count: "${params.keys}",
      why: "The second read of each finds it.",
      hint: "Misses in the second read: the value was not kept, or its time was over at once.",
    },
    {
      signal: "metric",
      name: "lab_cache_requests_total",
      labels: { outcome: "miss" },
      delta: "${params.keys}",
      why: "The counter that dashboards and alerts use tells the same as the spans.",
      hint: "Another run read through the cache meanwhile, or reads are counted twice.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "cache read", attributes: { "lab.cache.outcome": "miss" } } },
        { metric: { name: "lab_cache_requests_total", labels: { outcome: "miss" } } },
        { spans: { name: "cache load" } },
        { spans: { name: "SELECT products", kind: "client" } },
      ],
      modes: ["fault", "control"],
      why: "Spans, counter, loads and queries tell one story: a miss is a query.",
      hint: "If they differ, somebody went past the cache, or one of them is not written for each read.",
    },
    {
      signal: "metric",
      name: "redis_keyspace_misses_total",
      delta: { gte: "${params.keys}" },
      why: "Valkey itself counts the misses too: its exporter must agree with the app.",
      hint: "The exporter reads another server, or the app never asked this one.",
    },
    {
      signal: "span",
      select: { name: "cache read" },
      count: "2*${params.keys}",
      every: { attributes: { "lab.cache.outcome": "hit" } },
      modes: ["control"],
      why: "A warm cache answers both reads.",
      hint: "A miss here means that the values put there before were lost.",
    },
    {
      signal: "span",
      select: { name: "SELECT products" },
      count: 0,
      modes: ["control"],
      why: "A warm cache keeps the database out of it.",
      hint: "Look at the parent of the query: who went past the cache?",
    },
    {
      signal: "metric",
      name: "lab_cache_requests_total",
      labels: { outcome: "hit" },
      delta: "2*${params.keys}",
      modes: ["control"],
      why: "Every read was a hit, and was counted once.",
      hint: "Another run read through the cache meanwhile, or reads are counted twice.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "products read twice",
      attributes: { keys: "${params.keys}" },
      count: 1,
      correlated: true,
      modes: ["fault", "control"],
      why: "One line per operation is enough; it leads to the trace that explains it.",
      hint: "Without the trace id nobody gets from the line to the reads.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "A miss is normal: reported as an error it would drown the real ones.",
      hint: "An event here means that the cache or the database failed.",
    },
    {
      signal: "span",
      select: { name: "DEL", kind: "client", status: "unset" },
      count: 1,
      modes: ["fault", "control"],
      why: "The run takes its keys away at the end: Valkey is as it was before.",
      hint: "Without DEL the keys stay until their time is over, and fill the cache of everybody.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "Cold or warm, the answer is the same.",
      hint: "Open the trace: what failed is red.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
