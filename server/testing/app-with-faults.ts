/**
 * The real app with extra scenarios that only tests need. Started like `main.ts`, after
 * `telemetry.ts`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { loadCatalogue } from "#scenarios/catalogue.ts";
import { defineScenario, type Scenario } from "#scenarios/define.ts";
import { integer } from "#scenarios/param-spec.ts";
import { serverEnv } from "../env.ts";
import { startServer } from "../server.ts";
import { Sentry } from "../telemetry/sentry-sdk.ts";
import { canary } from "./canaries.ts";

const texts = {
  title: "test",
  summary: "test",
  story: "test",
  modes: ["fault"],
  expect: [],
} as const;

/** Where `of` requests wait for each other, once. */
function openMeeting(): (of: number) => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let arrived = 0;
  return (of) => {
    arrived += 1;
    if (arrived === of) resolve();
    return promise;
  };
}
const beforeQueries = openMeeting();
const beforeReports = openMeeting();

/**
 * `of` requests meet half-way, each with a user, a tag and a breadcrumb of its own, and again before
 * all report: reports take so long that queries beside them would find no connection in time.
 */
const crowd = defineScenario({
  id: "run.crowd",
  ...texts,
  params: {
    who: integer({ label: "who", default: 0, min: 0, max: 1000 }),
    of: integer({ label: "of", default: 1, min: 1, max: 1000 }),
  },
  async serve({ params, sql, report, log }) {
    const name = `visitor-${params.who}`;
    Sentry.setUser({ id: name });
    Sentry.setTag("visitor", name);
    Sentry.addBreadcrumb({ category: "visit", message: name });
    await beforeQueries(params.of);
    await sql`select ${params.who}::integer as who`;
    await pause(params.who % 7);
    log.info({ visitor: name }, "visited");
    await sql`select name from customers where id = ${params.who + 1}`;
    await beforeReports(params.of);
    report(new Error(`report of ${name}`));
    return name;
  },
});

/** Puts a secret everywhere an app could put one by accident. */
const leak = defineScenario({
  id: "run.leak",
  ...texts,
  params: {},
  async serve({ sql, log, http, tracer, report }) {
    const span = tracer.startSpan("leak", {
      attributes: {
        "url.full": `https://ann:${canary("url-password")}@shop.example/cb?code=${canary("oauth-code")}&state=${canary("oauth-state")}`,
        "http.request.header.authorization": `Bearer ${canary("span-bearer")}`,
      },
    });
    span.setStatus({ code: 2, message: `password=${canary("status-password")}` });
    span.end();
    log.warn(
      {
        authorization: `Bearer ${canary("log-bearer")}`,
        headers: { cookie: `lab_session_4700=${canary("log-cookie")}` },
        nested: { list: [{ password: canary("log-password") }] },
      },
      `signed in with token=${canary("log-token")}`,
    );
    await http(
      `/api/orders?customer=1&token=${canary("query-token")}&X-Amz-Signature=${canary("signature")}`,
      { headers: { cookie: canary("out-cookie"), authorization: `Basic ${canary("out-basic")}` } },
    );
    await sql`select id from customers where email = ${canary("sql-parameter")}`;
    await sql.unsafe(`select id from customers where email = '${canary("sql-literal")}'`);
    const failures = [
      () => sql`select ${canary("sql-cast")}::text::integer`,
      () => sql.unsafe(`do $$ begin raise exception 'key %', '${canary("sql-raise")}'; end $$`),
      () => sql`insert into customers values (1, ${canary("sql-detail")}, 'x', 'y')`,
      () => sql.unsafe(`select '${canary("sql-syntax")}' from from`),
    ];
    for (const fail of failures) {
      await fail().catch((error: unknown) => {
        log.error({ err: error }, "query failed");
        report(error);
      });
    }
    const cause = new Error(`cookie: sid=${canary("cause-cookie")}`);
    throw new Error(`login failed, password: "${canary("error-password")}"`, { cause });
  },
});

/** Never answers by itself: holds a request open until the process ends. */
const wait = defineScenario({
  id: "run.wait",
  ...texts,
  params: { ms: integer({ label: "ms", default: 300, min: 0, max: 60_000 }) },
  async serve({ params, log }) {
    log.info("waiting");
    await pause(params.ms);
    return "waited";
  },
});

const extra: readonly Scenario[] = [
  crowd as unknown as Scenario,
  leak as unknown as Scenario,
  wait as unknown as Scenario,
];
const catalogue = new Map(await loadCatalogue());
for (const scenario of extra) catalogue.set(scenario.id, scenario);
await startServer(serverEnv(), catalogue);
