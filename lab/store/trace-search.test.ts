import { expect, test } from "vitest";
import { openTestStore } from "./testing/open.ts";
import { newSpanId, newTraceId, span, text, traces, tracesProtobuf } from "./testing/payload.ts";
import { begin, openShop, type SearchBody } from "./testing/shop-traces.ts";

/** Names of the found spans of the shop trace, sorted; null when it was not found. */
test("queries find the spans they should", async () => {
  const { search, ids } = await openShop();
  const found = async (query: string): Promise<string[] | null> => {
    const { traces: list } = await search(`${query} | select(name)`);
    const sets = list.find(({ traceID }) => traceID === ids.shop)?.spanSets;
    return sets === undefined
      ? null
      : sets.flatMap(({ spans }) => spans.map(({ name = "" }) => name)).sort();
  };
  const all = ["GET /orders", "SELECT", "SELECT", "SELECT", "cache.get", "click", "deep"];
  const select = (n: number) => Array<string>(n).fill("SELECT");
  const cases: readonly [string, string[] | null][] = [
    ["{}", all],
    ["{ false }", null],
    ['{ name = "SELECT" }', select(3)],
    ['{ name =~ "GET.*" }', ["GET /orders"]],
    ['{ name =~ "GET" }', null],
    ['{ name !~ "SELECT|GET.*" }', ["cache.get", "click", "deep"]],
    ["{ status = error }", select(1)],
    ['{ statusMessage = "deadlock" }', select(1)],
    ["{ kind = server }", ["GET /orders"]],
    ["{ duration >= 100ms }", ["GET /orders", "SELECT", "click"]],
    ["{ duration > 100ms && duration <= 300ms }", ["GET /orders"]],
    ["{ span.http.response.status_code = 500 }", ["GET /orders"]],
    ["{ .http.response.status_code >= 500.0 }", ["GET /orders"]],
    ['{ .http.response.status_code = "500" }', null],
    ["{ .rows > 1 }", select(2)],
    ["{ .rows != 7 }", select(2)],
    ["{ .rows * 2 - 1 = 13 }", select(1)],
    ["{ .ok = false }", select(1)],
    ["{ !.ok }", select(1)],
    ["{ .ok }", null],
    ["{ .rows = nil }", ["GET /orders", "cache.get", "click", "deep"]],
    ["{ .rows != nil }", select(3)],
    ['{ .tags = "eu" }', ["cache.get"]],
    ['{ .tags != "eu" }', null],
    ['{ resource.service.name = "lab-web" }', ["click"]],
    ['{ .service.name = "lab-web" }', ["click"]],
    ['{ span.service.name = "lab-web" }', null],
    ['{ event:name = "exception" && event.exception.type =~ "Postgres.*" }', select(1)],
    ["{ event:timeSinceStart = 10ms }", select(1)],
    [`{ link:traceID = "${"ab".repeat(16)}" }`, select(1)],
    ['{ instrumentation:name = "test" }', all],
    ["{ traceDuration = 400ms }", all],
    ['{ rootName = "click" && rootServiceName = "lab-web" }', all],
    ["{ childCount = 4 }", ["GET /orders"]],
    ["{ nestedSetParent < 0 }", ["click"]],
    ['{ parent.http.route = "/orders" && name = "cache.get" }', ["cache.get"]],
    [`{ trace:id = "${ids.shop}" && kind = server }`, ["GET /orders"]],
    ['{ kind = server } > { name = "SELECT" }', select(3)],
    ['{ name = "click" } > { name = "SELECT" }', null],
    ['{ name = "click" } >> { name = "deep" }', ["deep"]],
    ['{ name = "deep" } << { kind = server }', ["GET /orders"]],
    ['{ name = "deep" } < {}', ["cache.get"]],
    ['{ name = "cache.get" } ~ {}', select(3)],
    ['{ name = "SELECT" } ~ { name = "SELECT" }', select(3)],
    ['{ name = "click" } !> {}', [...select(3), "cache.get", "click", "deep"].sort()],
    ["{ kind = server } !>> {}", ["GET /orders", "click"]],
    ["{ kind = server } &> { status = error }", ["GET /orders", "SELECT"]],
    ['{ name = "click" } &>> { name = "deep" }', ["click", "deep"]],
    ["{ status = error } && { kind = server }", ["GET /orders", "SELECT"]],
    ['{ status = error } && { name = "nobody" }', null],
    ['{ status = error } || { name = "nobody" }', select(1)],
    ['({ name = "SELECT" } | count() > 2) && { name = "click" }', [...select(3), "click"]],
    ['{ name = "SELECT" } | count() = 3', select(3)],
    ['{ name = "SELECT" } | count() > 3', null],
    ['{ name = "SELECT" } | avg(.rows) = 4 | max(duration) = 100ms', select(3)],
    ["{ kind = client } | min(.rows) = 1 | sum(.rows) = 12", select(3)],
    ["max(duration) > 1s", null],
    ["{} | by(name) | count() > 2", select(3)],
    [
      "{} | by(resource.service.name) | count() > 2 | coalesce()",
      [...select(3), "GET /orders", "cache.get", "deep"].sort(),
    ],
    ['{ name = "SELECT" } | { status = error }', select(1)],
    ["({ kind = client } | count()) > ({ kind = server } | count())", all],
    ["({ kind = client } | count()) = ({ kind = server } | count())", null],
  ];
  for (const [query, names] of cases)
    expect(await found(query), query).toEqual(names === null ? null : names.toSorted());
});

test("a found trace is told as Tempo tells it, newest first, within limit and time", async () => {
  const { store, ids, search } = await openShop();
  expect(await search("{ kind = server }")).toMatchObject({
    traces: [
      {
        traceID: ids.calm,
        rootServiceName: "lab-server",
        rootTraceName: "GET /health",
        durationMs: 2,
      },
      {
        traceID: ids.shop,
        rootServiceName: "lab-web",
        rootTraceName: "click",
        startTimeUnixNano: String(begin),
        durationMs: 400,
        spanSet: { matched: 1 },
        spanSets: [
          {
            matched: 1,
            spans: [
              {
                spanID: expect.stringMatching(/^[0-9a-f]{16}$/),
                startTimeUnixNano: String(begin + 20_000_000n),
                durationNanos: "300000000",
                attributes: [{ key: "kind", value: { stringValue: "server" } }],
              },
            ],
          },
        ],
        serviceStats: {
          "lab-web": { spanCount: 1 },
          "lab-server": { spanCount: 6, errorCount: 1 },
        },
      },
    ],
    metrics: { inspectedTraces: 2 },
  });
  const traceIds = async (more: string) =>
    (await search("{}", more)).traces.map(({ traceID }) => traceID);
  expect(await traceIds("&limit=1")).toEqual([ids.calm]);
  const seconds = Number(begin / 1_000_000_000n);
  expect(await traceIds(`&start=${seconds}&end=${seconds + 2}`)).toEqual([ids.shop]);
  expect(await traceIds(`&start=${seconds + 4}&end=${seconds + 9}`)).toEqual([ids.calm]);
  const three = await store.get<SearchBody>("/api/search?q=%7B%7D");
  expect(three.traces[1]?.spanSets[0]).toMatchObject({ matched: 7, spans: [{}, {}, {}] });
});

test("the older search parameters still work", async () => {
  const { store, ids } = await openShop();
  const find = async (query: string) =>
    (await store.get<SearchBody>(`/api/search?${query}`)).traces.map(({ traceID }) => traceID);
  expect(await find("minDuration=100ms")).toEqual([ids.shop]);
  expect(await find("maxDuration=100ms")).toEqual([ids.calm]);
  // Each may hold on another span, as in Tempo.
  expect(
    await find(`tags=${encodeURIComponent('db.system.name=postgresql http.route="/orders"')}`),
  ).toEqual([ids.shop]);
  expect(await find("tags=http.response.status_code%3D500")).toEqual([ids.shop]);
  expect(await find("")).toEqual([ids.calm, ids.shop]);
});

test("a query that cannot be read is 400 and says where", async () => {
  const { store } = await openShop();
  for (const [query, message] of [
    ["search?q=%7B%20.a%20%3D%20%7D", "line 1, column 8"],
    ["search?q=%7B%7D%20%7C%20rate()", "rate() is not supported"],
    ["search?minDuration=soon", "minDuration"],
    ["search?limit=many", "limit"],
    ["search?start=200&end=100", "start must be before end"],
    ["search?start=200", "start must be before end"],
    ["search?limit=0", "invalid limit: must be a positive number"],
    ["search?q=%7B%7D&spss=0", "invalid spss: must be a positive number"],
    ["search?q=%7B%7D&tags=a%3Db", "can't specify tags and q"],
    ["metrics/query_range?q=%7B%7D%20%7C%20rate()", "rate() is not supported"],
    ["metrics/query?q=%7B%7D", "no metrics function"],
    ["metrics/query_range?q=%7B%20.a%20%3D%20%7D", "line 1, column 8"],
  ]) {
    const answer = await fetch(`${store.url}/api/${query}`);
    expect(answer.status).toBe(400);
    // Grafana shows the text of an answer, and of JSON only a `message` at its top.
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await answer.text()).toContain(message);
  }
});

test("a trace whose parents form a circle can be searched", async () => {
  const { store, search } = await openShop();
  const traceId = newTraceId();
  const [a, b] = [newSpanId(), newSpanId()];
  const circle = [
    span({ traceId, spanId: a, parentSpanId: b }),
    span({ traceId, spanId: b, parentSpanId: a }),
  ];
  await store.post("/v1/traces", JSON.stringify(traces(circle)), {
    "content-type": "application/json",
  });
  for (const query of ["{} >> {}", "{} << {}", "{ nestedSetLeft > 0 }", "{} ~ {}"])
    expect((await search(query)).traces.map(({ traceID }) => traceID)).not.toContain(traceId);
  expect((await search("{ nestedSetLeft = 0 }")).traces.map(({ traceID }) => traceID)).toContain(
    traceId,
  );
});

test("no pattern keeps the store from answering", async () => {
  const store = await openTestStore();
  const value = "a".repeat(60_000);
  const spans = Array.from({ length: 40 }, (_, n) => span({ attributes: [text("v", value + n)] }));
  await store.post("/v1/traces", tracesProtobuf(spans));
  const ask = async (pattern: string): Promise<readonly [number, string]> => {
    const q = encodeURIComponent(`{ .v =~ \`${pattern}\` }`);
    const answer = await fetch(`${store.url}/api/search?q=${q}`);
    return [answer.status, await answer.text()];
  };
  const before = process.threadCpuUsage();
  // For ever with a backtracking engine.
  expect(await ask("(a+)+b")).toMatchObject([200, expect.stringContaining('"traces":[]')]);
  const [status, body] = await ask("(a*){100}b");
  expect(status).toBe(400);
  expect(body).toContain("column 9: this pattern takes too much work");
  const { user } = process.threadCpuUsage(before);
  expect(user / 1000).toBeLessThan(5000);
  expect((await ask("(?=a)a"))[0]).toBe(400);
});

test("what an aggregate or a group came to stands beside its spans, as in Tempo", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const at = (ns: number, name: string) =>
    span({ traceId, name, startTimeUnixNano: "0", endTimeUnixNano: String(ns) });
  await store.post("/v1/traces", tracesProtobuf([at(2_500_000, "a"), at(62_500_000_000, "b")]));
  const notes = async (query: string): Promise<unknown> => {
    const body = await store.get<{ traces: { spanSets: { attributes?: unknown }[] }[] }>(
      `/api/search?q=${encodeURIComponent(query)}`,
    );
    return body.traces[0]?.spanSets.map(({ attributes }) => attributes);
  };
  const text = (key: string, stringValue: string): object => ({ key, value: { stringValue } });
  expect(await notes("{}")).toEqual([undefined]);
  expect(await notes("{} | count() > 1 | max(duration) > 1s")).toEqual([
    [{ key: "count()", value: { intValue: "2" } }, text("max(duration)", "1m2.5s")],
  ]);
  expect(await notes("{} | min(duration) < 1s")).toEqual([[text("min(duration)", "2.5ms")]]);
  expect(await notes("{} | avg(span:childCount) = 0")).toEqual([
    [{ key: "avg(childCount)", value: { doubleValue: 0 } }],
  ]);
  expect(await notes("{} | by(name) | count() = 1")).toEqual([
    [text("by(name)", "a"), { key: "count()", value: { intValue: "1" } }],
    [text("by(name)", "b"), { key: "count()", value: { intValue: "1" } }],
  ]);
});

test("spans that hang on no root stand in no relation, and the answer says the root is missing", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const lost = span({ traceId, name: "lost", parentSpanId: "ab".repeat(8) });
  const below = span({ traceId, name: "below", parentSpanId: lost.spanId });
  await store.post("/v1/traces", tracesProtobuf([lost, below]));
  const found = (query: string) =>
    store.get<{ traces: { rootServiceName: string; spanSets: { matched: number }[] }[] }>(
      `/api/search?q=${encodeURIComponent(query)}`,
    );
  expect((await found('{ name = "lost" } > { name = "below" }')).traces).toEqual([]);
  const before = await found("{ nestedSetLeft = 0 }");
  expect(before.traces).toMatchObject([
    { rootServiceName: "<root span not yet received>", spanSets: [{ matched: 2 }] },
  ]);
  const root = span({ traceId, name: "root", spanId: "ab".repeat(8) });
  await store.post("/v1/traces", tracesProtobuf([root, span({ traceId, name: "second root" })]));
  expect((await found('{ name = "lost" } > { name = "below" }')).traces).toHaveLength(1);
  expect((await found('{ name = "root" } ~ { name = "second root" }')).traces).toHaveLength(1);
  expect((await found('{ name = "nobody" } !> { name = "below" }')).traces).toEqual([]);
});
