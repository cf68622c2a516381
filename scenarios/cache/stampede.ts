import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

/** Of the pool that all loads have to share. A crowd of 500 with loads of a second takes 25 s. */
const connections = 20;

export default defineScenario({
  id: "cache.stampede",
  title: "Cache stampede",
  summary: "One hot key expires under many readers; each of them asks the database for the same.",
  story: `A value that everybody reads expires. All who ask in the next moment miss, and all of them do the expensive work to fill it again: the same query, once per reader, at the same time. The database is slow because of the load, so the value stays away for longer, so more readers miss. Large outages began like this.

The trace shows one \`cache load\` with its SELECT per reader, all overlapping, each query waiting for a connection of a pool that is much smaller than the crowd. The counter of misses jumps by the number of readers.

The cure is single-flight: who misses while a load is under way waits for it. In the fix mode one reader loads, the others are \`coalesced\` and carry a link to the load they waited for: in the trace of a slow reader you find the span, perhaps in somebody else's trace, that explains its time. Jitter on the time to live and refreshing ahead of it help against many keys at once.`,
  params: {
    readers: integer({ label: "Readers", default: 60, min: 10, max: 500, step: 10 }),
    loadMs: integer({
      label: "One load",
      help: "Loads share 20 connections: the whole crowd takes readers / 20 times as long.",
      default: 50,
      min: 20,
      max: 1000,
      step: 10,
      unit: "ms",
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["valkey", "metrics"],
  timeoutMs: 60_000,
  async serve({ mode, params, runId, workload, cache, log }) {
    const sql = workload.openPool({
      name: "bestsellers",
      max: connections,
      acquireTimeoutMs: 60_000,
    });
    const key = `stampede:${runId}`;
    const seconds = params.loadMs / 1000;
    const bestsellers = () =>
      cache.through(key, { ttlMs: 60_000, singleFlight: mode !== "fault" }, async () => {
        const rows = await sql`
          select id, name, (select pg_sleep(${seconds}::float8)::text) as waited
          from products order by price_cents desc limit 10`;
        return rows.map(({ id, name }) => ({ id, name }));
      });
    try {
      await cache.client.set(key, "[]", "PX", 60_000);
      // The moment everybody is waiting for; in the control run it does not come.
      if (mode !== "control") await cache.client.pexpire(key, 0);
      await Promise.all(Array.from({ length: params.readers }, bestsellers));
      log.info({ readers: params.readers }, "bestsellers shown");
      return { readers: params.readers };
    } finally {
      await cache.forget(key);
    }
  },
  expect: [
    {
      signal: "span",
      select: { name: "SELECT products", kind: "client", childOf: { name: "cache load" } },
      count: "${params.readers}",
      why: "Every reader does the same work: this is the stampede.",
      hint: "Fewer queries mean that readers waited for each other after all.",
    },
    {
      signal: "order",
      first: { name: "cache load" },
      relation: "overlaps",
      second: { name: "cache load" },
      why: "The loads run at the same time: each began because none of the others was done.",
      hint: "Loads one after the other are many misses, and no stampede.",
    },
    {
      signal: "metric",
      name: "lab_cache_requests_total",
      labels: { outcome: "miss" },
      delta: "${params.readers}",
      why: "The jump of the miss counter is what an alert can see of it.",
      hint: "Another run read through the cache meanwhile, or reads are counted twice.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "cache read", attributes: { "lab.cache.outcome": "miss" } } },
        { metric: { name: "lab_cache_requests_total", labels: { outcome: "miss" } } },
        { spans: { name: "cache load" } },
      ],
      modes: ["fault", "fix"],
      why: "Spans, counter and loads tell one story: a miss is a load.",
      hint: "If they differ, one of them is not written for each read.",
    },
    {
      signal: "span",
      select: { name: "SELECT products", kind: "client", childOf: { name: "cache load" } },
      count: 1,
      modes: ["fix"],
      why: "However many ask, the work is done once.",
      hint: "A second query means that a reader missed and did not join the load under way.",
    },
    {
      signal: "span",
      select: {
        name: "cache read",
        attributes: { "lab.cache.outcome": "coalesced" },
        linksTo: { name: "cache load" },
      },
      count: "${params.readers}-1",
      modes: ["fix"],
      why: "Who waited says for what: the link leads to the load that took the time.",
      hint: "Without the link a slow read explains nothing: its own trace is empty.",
    },
    {
      signal: "metric",
      name: "lab_cache_requests_total",
      labels: { outcome: "coalesced" },
      delta: "${params.readers}-1",
      modes: ["fix"],
      why: "What single-flight saved can be counted, and so can its failure.",
      hint: "Another run read through the cache meanwhile, or reads are counted twice.",
    },
    {
      signal: "span",
      select: { name: "cache read" },
      count: "${params.readers}",
      every: { attributes: { "lab.cache.outcome": "hit" } },
      modes: ["control"],
      why: "As long as the value is there, the crowd is no problem.",
      hint: "A miss here means that the value was lost: evicted, or expired too early.",
    },
    {
      signal: "span",
      select: { name: "cache load" },
      count: 0,
      modes: ["control"],
      why: "Nobody loads what is there.",
      hint: "Look at the GET beside the load: did it fail?",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "bestsellers shown",
      attributes: { readers: "${params.readers}" },
      count: 1,
      correlated: true,
      modes: ["fault", "control", "fix"],
      why: "One line per operation is enough; it leads to the trace that explains it.",
      hint: "Without the trace id nobody gets from the line to the reads.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing fails: a stampede is load, not an error.",
      hint: "An event here means that queries failed under the load.",
    },
    {
      signal: "span",
      select: { name: "DEL", kind: "client", status: "unset" },
      count: 1,
      modes: ["fault", "control", "fix"],
      why: "The run takes its keys away at the end: Valkey is as it was before.",
      hint: "Without DEL the keys stay until their time is over, and fill the cache of everybody.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "Everybody gets the value in the end.",
      hint: "Open the trace: what failed is red.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "An orphan under load means that spans were dropped: look at lab_telemetry_dropped_total.",
    },
  ],
});
