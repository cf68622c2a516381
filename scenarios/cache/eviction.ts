import type { Redis } from "iovalkey";
import { defineScenario } from "../define.ts";
import { choice, integer, type ParamValue } from "../param-spec.ts";

const mib = 1024 * 1024;
/** However large the memory is, so many values are read: more would be more spans, and tell the same. */
const valueCount = 48;
/** Of the memory, what values may take that all fit: the server needs some for itself. */
const fits = 0.6;
/** Long enough for the run: what is gone was evicted and did not expire. */
const ttlMs = 300_000;

async function usedMemory(client: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1]);
}

/** The policies of a run: what makes room while values are read, and what is left at the end. */
function policiesOf({ policy }: Readonly<Record<string, ParamValue>>) {
  const [reading = "", last = reading] = String(policy).split(", then ");
  return { reading, last, evicts: reading !== "noeviction", refuses: last === "noeviction" };
}

export default defineScenario({
  id: "cache.eviction",
  title: "The cache is too small",
  summary:
    "More is cached than fits: values are gone before they are read, then writes are refused.",
  story: `A cache has a limit, and what does not fit has to go. Here a list of large values is read in a round, and the memory holds only part of it. By the time the round begins anew, its first value has made room for its last: nearly every read misses, though everything was just written. The cache costs time and saves none.

You see \`miss\` where \`hit\` should be, a \`SET\` after each, and \`lab_cache_evicted_keys_total\` climbing. No error anywhere: eviction is what the server was told to do. Then the policy is \`noeviction\`, as it has to be where losing a value loses data: the \`SET\` is red with \`OOM\`, and now it is an error that Sentry hears of. With that policy from the beginning the cache keeps what came first and refuses the rest: each of those reads misses, and writes in vain.

Teams size the memory by the working set, give values a time to live, store less per key, and keep sessions apart from the cache. So does the lab: values that may go have a small Valkey of their own, where \`allkeys-lru\` costs nobody the session. The control reads fewer values, which fit; the fix reads them all and stores less of each.`,
  params: {
    limitMb: integer({ label: "Memory", default: 20, min: 5, max: 64, unit: "MiB" }),
    fillPercent: integer({
      label: "Values to keep, of that memory",
      help: "The more there is, the surer a value is gone before it is read again.",
      default: 200,
      min: 100,
      max: 500,
      step: 10,
      unit: "%",
    }),
    policy: choice({
      label: "maxmemory-policy",
      help: "allkeys-lru removes what was not used for longest, volatile-ttl what expires soonest, noeviction nothing: it refuses to write.",
      default: "allkeys-lru, then noeviction",
      options: ["allkeys-lru, then noeviction", "allkeys-lru", "volatile-ttl", "noeviction"],
    }),
  },
  modes: ["fault", "control", "fix"],
  requires: ["real valkey"],
  needs: ["valkey-cache"],
  leases: ["metrics"],
  timeoutMs: 60_000,
  async serve({ mode, params, sql, workload, log, report, signal }) {
    const cache = await workload.openSmallCache();
    const { client } = cache;
    const { reading, last, refuses } = policiesOf(params);
    const memory = params.limitMb * mib;
    const wanted = (memory * params.fillPercent) / 100;
    const share = Math.min(1, (fits * memory) / wanted);
    const count = mode === "control" ? Math.floor(valueCount * share) : valueCount;
    const valueLength = Math.round((wanted / valueCount) * (mode === "fix" ? share : 1));
    const keys = Array.from({ length: count }, (_, index) => `eviction:${index + 1}`);
    const readAll = async (): Promise<void> => {
      for (const [index, key] of keys.entries()) {
        // Nobody waits any more.
        signal.throwIfAborted();
        await cache.through(key, { ttlMs, jitter: 0 }, async () => {
          const [row] = await sql`select id, name from products where id = ${index + 1}`;
          return { ...row, description: "x".repeat(valueLength) };
        });
      }
    };
    const limitTo = async (bytes: number, policy: string): Promise<void> => {
      await client.config("SET", "maxmemory-policy", policy);
      await client.config("SET", "maxmemory", String(Math.round(bytes)));
    };
    await limitTo(memory, reading);
    await readAll();
    await readAll();
    // From here on it may lose nothing, and there is no room left either.
    if (mode === "fault" && refuses) await limitTo((await usedMemory(client)) - mib, last);
    try {
      await client.set("eviction:last", "x", "PX", ttlMs);
    } catch (error) {
      log.warn({ err: error }, "the cache takes nothing more");
      report(error);
    }
    log.info({ keys: keys.length }, "catalogue read twice");
    await cache.forget(...keys, "eviction:last");
    return { keys: keys.length };
  },
  expect: [
    {
      signal: "check",
      title: "of the second round what does not fit misses, or all the more where values make room",
      check: ({ spans, params }) => {
        // A value that is refused leaves the others where they are; one that is kept displaces the next to be read.
        const tooMuch = 1 - 100 / Number(params.fillPercent);
        const share = tooMuch < 0.3 ? 0 : policiesOf(params).evicts ? 0.5 : 0.5 * tooMuch;
        const reads = spans.filter(({ name }) => name === "cache read");
        const second = reads.slice(reads.length / 2);
        const missed = second.filter(
          ({ attributes }) => attributes["lab.cache.outcome"] === "miss",
        ).length;
        return {
          ok: missed > 0 && missed >= second.length * share,
          seen: `${missed} of the ${second.length} reads of the second round missed`,
        };
      },
      why: "What was written moments ago is gone: the cache is smaller than what is read through it.",
      hint: "Hits: the values fit after all. Look at used_memory and maxmemory.",
    },
    {
      signal: "check",
      title: "values are evicted by a policy that makes room, and by noeviction none",
      check: ({ metric, params }) => {
        const gone = metric("lab_cache_evicted_keys_total")?.change;
        const { evicts } = policiesOf(params);
        return {
          ok: gone !== undefined && (evicts ? gone >= 1 : gone === 0),
          seen: `${gone ?? "unknown how many"} evicted`,
        };
      },
      why: "Only the server can tell eviction from expiry: this counter is the one to alert on.",
      hint: "Zero evictions with misses: the values expired, or were never kept.",
    },
    {
      signal: "check",
      title: "a full cache that may lose nothing refuses to write, with OOM; others never do",
      check: ({ spans, params }) => {
        const failed = spans.filter(({ name, status }) => name === "SET" && status === "error");
        const refused = failed.filter(
          ({ kind, attributes }) =>
            kind === "client" &&
            attributes["db.system.name"] === "redis" &&
            attributes["error.type"] === "OOM" &&
            attributes["db.response.status_code"] === "OOM",
        );
        const { refuses } = policiesOf(params);
        return {
          ok: failed.length === refused.length && refuses === refused.length > 0,
          seen: `${refused.length} of ${failed.length} red SETs say OOM`,
        };
      },
      why: "With noeviction a full cache says why in one word; with the others nothing is ever red.",
      hint: "No red SET: the server evicted something for it. Look at its maxmemory-policy.",
    },
    {
      signal: "check",
      title: "Sentry hears once of a refused write, and of evictions never",
      reads: ["sentry"],
      check: ({ sentry, params }) => {
        const events = sentry.filter(({ kind }) => kind === "event");
        const ours = events.filter(({ title }) => title.includes("OOM command not allowed"));
        const wanted = policiesOf(params).refuses ? 1 : 0;
        return {
          ok: events.length === wanted && ours.length === wanted,
          seen: `${events.length} events, ${ours.length} of a refused write; wanted ${wanted}`,
        };
      },
      why: "Eviction is no error; a refused write is. There was one that mattered, so there is one event.",
      hint: "Events for misses would drown it.",
    },
    {
      signal: "check",
      title: "the refused write is one warning, on the trace that shows which key it was",
      reads: ["logs"],
      check: ({ logs, params, spans }) => {
        const lines = logs.filter(({ body }) => body === "the cache takes nothing more");
        const tied = lines.filter(
          ({ spanId, severity }) =>
            severity === "warn" && spans.some((span) => span.spanId === spanId),
        );
        const wanted = policiesOf(params).refuses ? 1 : 0;
        return {
          ok: lines.length === wanted && tied.length === wanted,
          seen: `${lines.length} lines, ${tied.length} tied to a span; wanted ${wanted}`,
        };
      },
      why: "Who reads the line gets to the trace.",
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
      modes: ["fault", "control", "fix"],
      why: "The error is in the metric as in the span, with the same type.",
      hint: "Another app wrote to the full cache meanwhile, or the label is missing.",
    },
    {
      signal: "span",
      select: { name: "SET", status: "error" },
      count: 0,
      modes: ["control", "fix"],
      why: "With room for everything no write is refused.",
      hint: "OOM without the fault: the values take more than they should. Look at used_memory.",
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
      name: "lab_cache_evicted_keys_total",
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
