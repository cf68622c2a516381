import type { Redis } from "iovalkey";
import { defineScenario } from "../define.ts";
import { valkeyLimitsKey } from "../names.ts";
import { choice, integer } from "../param-spec.ts";

/** Characters of one value; with its bookkeeping about 112 KiB of Valkey's memory. */
const valueLength = 100_000;
const bytesPerKey = 115_000;
const mib = 1024 * 1024;
/** Long enough for the run, and shorter than any session: what has least time left is evicted first. */
const ttlMs = 300_000;

async function usedMemory(client: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1]);
}

type Settings = Readonly<Record<string, string>>;

async function configure(client: Redis, settings: Settings): Promise<void> {
  for (const [name, value] of Object.entries(settings)) await client.config("SET", name, value);
}

/** What the limits are, also noted where the app finds it if it ends before they are put back. */
async function noteLimits(client: Redis): Promise<Settings> {
  const limits: Record<string, string> = {};
  for (const name of ["maxmemory", "maxmemory-policy"]) {
    const [, value = ""] = (await client.config("GET", name)) as string[];
    limits[name] = value;
  }
  await client.set(valkeyLimitsKey, JSON.stringify(limits));
  return limits;
}

export default defineScenario({
  id: "cache.eviction",
  title: "The cache is too small",
  summary:
    "More is cached than fits: values are gone before they are read, then writes are refused.",
  story: `A cache has a limit, and what does not fit has to go. Here a list of large values is read in a round, and the memory holds only part of it. By the time the round begins anew, its first value has made room for its last: nearly every read misses, though everything was just written. The cache costs time and saves none.

You see \`miss\` where \`hit\` should be, a \`SET\` after each, and \`redis_evicted_keys_total\` climbing. No error anywhere: eviction is what the server was told to do. Then the policy is \`noeviction\`, as it has to be where losing a value loses data: the \`SET\` is red with \`OOM\`, and now it is an error that Sentry hears of. The other way round the cache keeps what came first and refuses the rest: each of those reads misses, and writes in vain.

Teams size the memory by the working set, give values a time to live, store less per key, and keep sessions apart from the cache. The lab shares one server, so the run evicts only what has a time to live, and least of it first: its own values. The limit and the policy are put back at the end. The fix gives it the memory that the values need.`,
  params: {
    limitMb: integer({ label: "Memory for the values", default: 3, min: 2, max: 64, unit: "MiB" }),
    fillPercent: integer({
      label: "Values to keep, of that memory",
      default: 200,
      help: "At least half more than fits: with less the list of values mostly stays.",
      min: 150,
      max: 500,
      step: 10,
      unit: "%",
    }),
    policies: choice({
      label: "Policies, one after the other",
      help: "Only what expires soonest may go, never what was used least: sessions are on the same server, and people do not use theirs for minutes.",
      default: "volatile-ttl, noeviction",
      options: ["volatile-ttl, noeviction", "noeviction, volatile-ttl"],
    }),
  },
  modes: ["fault", "control", "fix"],
  requires: ["real valkey"],
  leases: ["valkey", "metrics"],
  timeoutMs: 150_000,
  async serve({ mode, params, runId, sql, cache, log, report, signal }) {
    const { client } = cache;
    const wanted = Math.ceil((params.limitMb * mib * params.fillPercent) / 100);
    const keys = Array.from(
      { length: Math.ceil(wanted / bytesPerKey) },
      (_, index) => `eviction:${runId}:${index + 1}`,
    );
    const readAll = async (): Promise<void> => {
      for (const [index, key] of keys.entries()) {
        // Nobody waits any more, and others need the memory that is limited here.
        signal.throwIfAborted();
        await cache.through(key, { ttlMs, jitter: 0 }, async () => {
          const [row] = await sql`select id, name from products where id = ${index + 1}`;
          return { ...row, description: "x".repeat(valueLength) };
        });
      }
    };
    const limitTo = (bytes: number, policy: string) =>
      configure(client, { "maxmemory-policy": policy, maxmemory: String(Math.round(bytes)) });

    const losesFirst = mode === "fix" || params.policies === "volatile-ttl, noeviction";
    let before: Settings | undefined;
    try {
      if (mode !== "control") {
        const room = mode === "fix" ? 2 * wanted : params.limitMb * mib;
        before = await noteLimits(client);
        await limitTo(
          (await usedMemory(client)) + room,
          losesFirst ? "volatile-ttl" : "noeviction",
        );
      }
      await readAll();
      await readAll();
      // From here on it may lose nothing. In the fault there is no room left either.
      if (mode === "fault") await limitTo((await usedMemory(client)) - mib, "noeviction");
      try {
        await client.set(`eviction:${runId}:last`, "x", "PX", ttlMs);
      } catch (error) {
        log.warn({ err: error }, "the cache takes nothing more");
        report(error);
      }
      if (mode === "fault" && !losesFirst) {
        await client.config("SET", "maxmemory-policy", "volatile-ttl");
        await client.set(`eviction:${runId}:last`, "x", "PX", ttlMs);
      }
      log.info({ keys: keys.length }, "catalogue read twice");
      return { keys: keys.length };
    } finally {
      if (before !== undefined) {
        await configure(client, before);
        await client.del(valkeyLimitsKey);
      }
      await cache.forget(...keys, `eviction:${runId}:last`);
    }
  },
  expect: [
    {
      signal: "check",
      title: "of the second round what does not fit misses, or all the more where values make room",
      check: ({ spans, params }) => {
        // A value that is refused leaves the others where they are; one that is kept displaces the next to be read.
        const share =
          params.policies === "volatile-ttl, noeviction"
            ? 0.5
            : 0.5 * (1 - 100 / Number(params.fillPercent));
        const reads = spans.filter(({ name }) => name === "cache read");
        const second = reads.slice(reads.length / 2);
        const missed = second.filter(
          ({ attributes }) => attributes["lab.cache.outcome"] === "miss",
        ).length;
        return {
          ok: second.length > 0 && missed >= second.length * share,
          seen: `${missed} of the ${second.length} reads of the second round missed`,
        };
      },
      why: "What was written moments ago is gone: the cache is smaller than what is read through it.",
      hint: "Hits: the values fit after all. Look at used_memory and maxmemory.",
    },
    {
      signal: "metric",
      name: "redis_evicted_keys_total",
      delta: { gte: 1 },
      why: "Only the server can tell eviction from expiry: this counter is the one to alert on.",
      hint: "Zero evictions with misses: the values expired, or were never kept.",
    },
    {
      signal: "span",
      select: {
        name: "SET",
        kind: "client",
        status: "error",
        attributes: {
          "db.system.name": "redis",
          "error.type": "OOM",
          "db.response.status_code": "OOM",
        },
      },
      count: { gte: 1 },
      why: "With noeviction a full cache refuses to write, and says why in one word.",
      hint: "No red SET: the server evicted something for it. Look at its maxmemory-policy.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      handled: true,
      exception: { message: { matches: "^OOM command not allowed" } },
      count: 1,
      sameTrace: true,
      why: "Eviction is no error; a refused write is. There was one, so there is one event.",
      hint: "Events for misses would drown it.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "the cache takes nothing more",
      count: 1,
      correlated: true,
      why: "The line stands on the trace that shows which key was refused.",
      hint: "Without the trace id nobody knows who wanted to write what.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "SET", status: "error" } },
        {
          metric: {
            name: "db_client_operation_duration_seconds_count",
            labels: { db_system_name: "redis", db_operation_name: "SET", error_type: "OOM" },
          },
        },
      ],
      why: "The error is in the metric as in the span, with the same type.",
      hint: "Another app wrote to the full cache meanwhile, or the label is missing.",
    },
    {
      signal: "span",
      select: { name: "SET", status: "error" },
      count: 0,
      modes: ["control", "fix"],
      why: "With room for everything no write is refused.",
      hint: "OOM without the fault: a run before this one left its limit behind. Restart Valkey.",
    },
    {
      signal: "check",
      title: "the second round hits, every time",
      modes: ["control", "fix"],
      check: ({ spans }) => {
        const reads = spans.filter(({ name }) => name === "cache read");
        const second = reads.slice(reads.length / 2);
        const hits = second.filter(({ attributes }) => attributes["lab.cache.outcome"] === "hit");
        return {
          ok: second.length > 0 && hits.length === second.length,
          seen: `${hits.length} of the ${second.length} reads of the second round hit`,
        };
      },
      why: "What fits stays: the database was asked once per value.",
      hint: "A miss in the second round: the memory is still too small, or the values expired.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control", "fix"],
      why: "Nothing was refused, so there is nothing to report.",
      hint: "An event here belongs to another fault.",
    },
    {
      signal: "metric",
      name: "redis_evicted_keys_total",
      delta: 0,
      modes: ["control", "fix"],
      why: "With room for everything nothing is evicted.",
      hint: "Something else fills the server: look at its used_memory.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "catalogue read twice",
      count: 1,
      correlated: true,
      modes: ["fault", "control", "fix"],
      why: "The work was done in all modes; only its price differs.",
      hint: "Without the line the run ended before its last read.",
    },
    {
      signal: "span",
      select: {
        name: "DEL",
        kind: "client",
        status: "unset",
        attributes: { "db.query.text": { matches: "^DEL eviction:" } },
      },
      count: 1,
      modes: ["fault", "control", "fix"],
      why: "The run takes its values away at the end, and a full server lets it.",
      hint: "Without DEL the values stay for minutes, and fill the cache of everybody.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "A full cache slows the shop down, and does not stop it.",
      hint: "Open the trace: what failed is red.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "An orphan means that a span was never sent: look at lab_telemetry_dropped_total.",
    },
  ],
});
