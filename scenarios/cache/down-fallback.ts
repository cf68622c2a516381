import { setTimeout as wait } from "node:timers/promises";
import { defineScenario } from "../define.ts";
import { kill, pause, proxy } from "../fault.ts";
import { choice, integer, type ParamValue } from "../param-spec.ts";

/** An outage lasts so long at least, and longer for each request of the crowd: all shall meet it. */
const leastMs = 1250;
const perRequestMs = 50;
/** On a busy machine a limit is noticed late; a driver with its defaults gives up after ten seconds. */
const lateMs = 2000;
/** The exporter calls a Valkey down that does not answer for a second, and is asked twice a second. */
const seenByExporterMs = 2500;

/** How long it really lasts. */
const outageOf = (params: Readonly<Record<string, ParamValue>>): number =>
  Math.max(
    Number(params.outageMs),
    leastMs + Number(params.patienceMs) + perRequestMs * Number(params.requests),
  );

export default defineScenario({
  id: "cache.down-fallback",
  title: "Valkey is away",
  summary: "The cache is refused or hangs; one request waits a moment, then all go on without it.",
  story: `The cache goes away: its process dies, its machine is paused, the network eats its packets. With the client's defaults every request would now wait ten seconds, and an app that could live without its cache dies of it. Sessions live there too.

Here a command gets a quarter of a second, once. The first request that finds Valkey away opens a circuit: its trace shows a red \`GET\`, then \`cache load\` with its SELECT. All others skip the cache at once and say so with \`lab.degraded\`, on the read and on the request. The answer is 200 all the time. The log has one warning and Sentry one event, however many requests came through: an outage of one thing is one event.

In the background a probe asks again, and closes the circuit within a second of the recovery; nobody has to wait for finding that out. You see the last request of the run read from the cache again. Hanging is worse than being refused, because only time tells it from being slow: that is why the limit is short.`,
  params: {
    how: choice({
      label: "What happens to Valkey",
      default: "refused",
      help: "Paused and killed are Valkey's process; it stays out of reach for the time below in each case.",
      options: ["refused", "hangs", "paused", "killed"],
    }),
    requests: integer({ label: "Requests", default: 20, min: 2, max: 200 }),
    patienceMs: integer({
      label: "A command may take",
      help: "Of sessions and cache alike. The app's own limit is 250 ms; a driver with its defaults waits ten seconds.",
      default: 250,
      min: 50,
      max: 2000,
      step: 50,
      unit: "ms",
    }),
    outageMs: integer({
      label: "For",
      help: "Never less than 1.25 s, the time of one command, and 50 ms for each request: all of them shall meet it, also on a busy machine.",
      default: 2500,
      min: 1000,
      max: 20_000,
      step: 100,
      unit: "ms",
    }),
  },
  modes: ["fault", "control"],
  leases: ["valkey", "metrics"],
  timeoutMs: 45_000,
  faults: (params) => {
    const { how } = params;
    const forMs = outageOf(params);
    switch (how) {
      case "refused":
        return [proxy("valkey").down({ forMs })];
      case "hangs":
        return [proxy("valkey").hang({ forMs })];
      case "paused":
        return [pause("valkey", { forMs })];
      case "killed":
        return [proxy("valkey").down({ forMs }), kill("valkey")];
    }
  },
  async serve({ params, http, visitor, cache, log, signal }) {
    const show = async (path: string): Promise<number> => {
      const response = await http(path, { signal });
      await response.arrayBuffer();
      return response.status;
    };
    cache.setPatience(params.patienceMs);
    try {
      // One finds out for all: the others come when the circuit is open.
      const statuses = [await show("/api/products")];
      const member = visitor();
      // In the outage nobody keeps the session that the cookie names.
      await member.comeSignedIn().catch(() => {});
      const me = await member.http("/api/me", { signal });
      await me.text();
      statuses.push(me.status);
      const others = Array.from({ length: params.requests - 1 }, () => show("/api/products"));
      statuses.push(...(await Promise.all(others)));
      while (!cache.isThere()) await wait(20, undefined, { signal });
      statuses.push(await show("/api/products"));
      const failed = statuses.filter((status) => status !== 200).length;
      log.info({ requests: statuses.length, failed }, "shop visited");
      return { requests: statuses.length, failed };
    } finally {
      cache.setPatience();
    }
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "GET",
        kind: "client",
        status: "error",
        attributes: {
          "db.system.name": "redis",
          "error.type": { in: ["COMMAND_TIMEOUT", "CONNECTION_CLOSED"] },
        },
      },
      count: 1,
      every: { durationMs: { lte: `\${params.patienceMs}+${lateMs}` } },
      why: "One command finds out, and gives up when its time is over.",
      hint: "More than one: the circuit did not open. A long one: the client waits with its defaults.",
    },
    {
      signal: "span",
      select: {
        name: "cache read",
        attributes: { "lab.cache.outcome": "error", "lab.degraded": true },
      },
      count: { gte: 2 },
      why: "Every read that had to do without the cache says so.",
      hint: "Only one: the outage was over before the others came; make it longer.",
    },
    {
      signal: "span",
      select: { name: "cache read" },
      count: "${params.requests}+1",
      modes: ["fault", "control"],
      why: "Whether the cache is there or not, each request asks it, and the trace has every read.",
      hint: "Fewer: requests that were not answered, or answered past the cache.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/products",
        kind: "server",
        attributes: { "lab.degraded": true, "http.response.status_code": 200 },
      },
      count: { gte: 2 },
      why: "The request itself is marked: a search for degraded answers finds it without knowing the cache.",
      hint: "A 500 means that the cache's failure reached the answer.",
    },
    {
      signal: "span",
      select: { name: "SELECT products", childOf: { name: "cache load" }, status: "unset" },
      count: { gte: 1 },
      why: "The answers came from the database. Readers at the same moment shared one load.",
      hint: "Without a query the answers came from nowhere.",
    },
    {
      signal: "span",
      select: {
        name: "cache read",
        attributes: {
          "lab.cache.outcome": { in: ["hit", "miss"] },
          "lab.degraded": { exists: false },
        },
      },
      count: { gte: 1 },
      why: "After the outage the cache is used again, without a restart of the app.",
      hint: "None: the circuit stays open, because its probe does not run or the client does not reconnect.",
    },
    {
      signal: "span",
      select: {
        name: "GET",
        kind: "client",
        status: "unset",
        childOf: {
          name: "cache read",
          attributes: { "lab.cache.outcome": { in: ["hit", "miss"] } },
        },
      },
      count: { gte: 1 },
      why: "The first read after the outage reaches Valkey again.",
      hint: "A failed GET: the circuit was closed before Valkey worked.",
    },
    {
      signal: "metric",
      name: "lab_cache_requests_total",
      labels: { outcome: "error" },
      delta: { gte: 2 },
      why: "The share of reads without the cache is what an alert is made of.",
      hint: "Another run read through the cache meanwhile, or reads are counted twice.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "valkey is away, going on without it",
      count: 1,
      correlated: true,
      why: "One line when it begins, on the trace of the request that noticed.",
      hint: "A line per request would fill the disk in exactly the wrong moment.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "error",
      handled: true,
      count: 1,
      sameTrace: true,
      why: "One outage is one event, not one per request.",
      hint: "None: somebody caught the failure and told nobody. Many: each request reports it anew.",
    },
    {
      signal: "check",
      title: "Valkey restarts once when it was killed, and else never",
      check: ({ restarts, params }) => {
        const wanted = params.how === "killed" ? 1 : 0;
        const seen = restarts.valkey ?? 0;
        return { ok: seen === wanted, seen: `${seen} of ${wanted} restarts of valkey` };
      },
      why: "A killed Valkey is started again; a connection that is broken restarts nothing.",
      hint: "More restarts: Valkey ended by itself. Look at its log on the Services view.",
    },
    {
      signal: "check",
      title: "the failed command says whether it was refused or got no answer",
      check: ({ spans, params }) => {
        const waits = params.how === "hangs" || params.how === "paused";
        const wanted = waits ? "COMMAND_TIMEOUT" : "CONNECTION_CLOSED";
        const seen = spans
          .filter(({ name, status }) => name === "GET" && status === "error")
          .map(({ attributes }) => attributes["error.type"]);
        return { ok: seen.join() === wanted, seen: `${seen.join() || "none"}, wanted ${wanted}` };
      },
      why: "Refused is found out at once; silence only by waiting, and it may as well be slowness.",
      hint: "CONNECTION_CLOSED: the connection was lost. COMMAND_TIMEOUT: it is there, and nothing comes.",
    },
    {
      signal: "check",
      title:
        "a Valkey that stands still is down for its exporter; where only the way to it is broken it is up",
      check: ({ metric, params }) => {
        const up = metric("redis_up");
        const seen = up === undefined ? "nobody exposes redis_up here" : `at least ${up.lowest}`;
        switch (params.how) {
          case "paused": {
            const mayBeMissed = up === undefined || outageOf(params) < seenByExporterMs;
            return { ok: mayBeMissed || up.lowest === 0, seen };
          }
          case "killed":
            return { ok: true, seen: `${seen}; it is back before anybody looks` };
          default:
            return { ok: up === undefined || up.lowest === 1, seen };
        }
      },
      why: "Two graphs side by side tell a server that is gone from a network that is: the exporter goes another way than the app.",
      hint: "Up while it is paused: the exporter waits longer for an answer than the pause lasts.",
    },
    {
      signal: "metric",
      name: "redis_up",
      returnsTo: "baseline",
      modes: ["fault", "control"],
      why: "When the run is over Valkey is there again.",
      hint: "Its row on the Services view says what became of it.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "cache read", attributes: { "lab.cache.outcome": "error" } } },
        { metric: { name: "lab_cache_requests_total", labels: { outcome: "error" } } },
        {
          spans: {
            name: "GET /api/products",
            kind: "server",
            attributes: { "lab.degraded": true },
          },
        },
      ],
      modes: ["fault", "control"],
      why: "Reads, counter and requests tell the same number of answers that had to do without.",
      hint: "The signal that tells fewer is the one that loses data.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/me",
        kind: "server",
        status: "unset",
        attributes: { "lab.degraded": true, "user.id": { exists: false } },
      },
      count: 1,
      why: "Who comes with a session is a guest for the time being, and the request says why.",
      hint: "Without lab.degraded the page would call the visitor signed out, and throw the cookie away.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/me",
        kind: "server",
        attributes: { "lab.degraded": { exists: false }, "user.id": { exists: true } },
      },
      count: 1,
      modes: ["control"],
      why: "With Valkey there the same visitor is known.",
      hint: "Without user.id the session was not found.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control"],
      why: "The app outlives its cache.",
      hint: "Look at the server's log for a rejection that nobody handled.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/me",
        kind: "server",
        attributes: { "http.response.status_code": 200 },
      },
      count: 1,
      modes: ["fault", "control"],
      why: "Who is signed in cannot be known without sessions; that is an answer and no 500.",
      hint: "A 500 means that the session store's failure reached the answer.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "shop visited",
      attributes: { failed: 0 },
      count: 1,
      correlated: true,
      modes: ["fault", "control"],
      why: "No visitor saw a failure.",
      hint: "The trace shows which request was not answered with 200.",
    },
    {
      signal: "span",
      select: { name: "cache read" },
      count: "${params.requests}+1",
      every: {
        attributes: {
          "lab.cache.outcome": { in: ["hit", "miss", "coalesced"] },
          "lab.degraded": { exists: false },
        },
      },
      modes: ["control"],
      why: "With Valkey there no answer is degraded.",
      hint: "Valkey is away without a fault: look at the Services view.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing went away, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "The shop works with and without its cache.",
      hint: "Open the trace: what failed is red.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace. Reconnecting and probing are nobody's request and stay out of it.",
      hint: "A second root may be the client's own work: it must not run in a request's context.",
    },
  ],
});
