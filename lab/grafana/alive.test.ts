import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type Judgement, judgeQuery } from "./alive.ts";
import type { DashboardQuery } from "./queries.ts";

/** A program that answers each path with the same. */
async function program(answers: Readonly<Record<string, unknown>>) {
  const asked: URL[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://program");
    asked.push(url);
    response.statusCode = url.pathname in answers ? 200 : 404;
    response.end(JSON.stringify(answers[url.pathname] ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const query = (part: Partial<DashboardQuery> = {}): DashboardQuery => ({
  ...{ dashboard: "d", place: "p", language: "promql", datasourceUid: "prometheus" },
  ...{ expr: 'sum(rate(a_total{x=~"$x"}[$__rate_interval]))', exemplars: false },
  ...part,
});
const window = { now: 1_000_000_000, seconds: 59.5 };
const curve = (...values: readonly string[]) => ({
  data: { result: [{ values: values.map((value, index) => [index, value]) }] },
});

test.each<[string, unknown, Judgement["state"]]>([
  ["a number", curve("NaN", "0"), "alive"],
  ["only NaN", curve("NaN", "NaN"), "dead"],
  ["no series", { data: { result: [] } }, "dead"],
])("a query that finds %s", async (_, answer, state) => {
  const { url, asked } = await program({ "/api/v1/query_range": answer });
  const judged = await judgeQuery(
    query(),
    { prometheus: url, without: [] },
    new Set(["a_total"]),
    window,
  );
  expect(judged).toMatchObject({ state });
  expect(asked[0]?.searchParams.get("query")).toBe('sum(rate(a_total{x=~".*"}[30s]))');
});

test("the window is a duration that PromQL takes, however long the lab has run", async () => {
  const { url, asked } = await program({ "/api/v1/query_range": curve("1") });
  const expr = "increase(a_total[$__range])";
  await judgeQuery(query({ expr }), { prometheus: url, without: [] }, new Set(["a_total"]), window);
  expect(asked[0]?.searchParams.get("query")).toBe("increase(a_total[60s])");
});

test("the last point asked for is now, so that what came last is seen", async () => {
  const { url, asked } = await program({ "/api/v1/query_range": curve("1") });
  await judgeQuery(query(), { prometheus: url, without: [] }, new Set(["a_total"]), window);
  const [start, end] = ["start", "end"].map((name) => Number(asked[0]?.searchParams.get(name)));
  expect({ start, end, step: asked[0]?.searchParams.get("step") }).toEqual({
    ...{ start: 999_940, end: 1_000_000, step: "5s" },
  });
});

test("a query of metrics that nobody exposes is dead; one whose program is away is not judged", async () => {
  const { url, asked } = await program({});
  const judge = (part: Partial<DashboardQuery>) =>
    judgeQuery(query(part), { prometheus: url, without: ["c_"] }, new Set(["b_total"]), window);
  expect(await judge({})).toMatchObject({ state: "dead" });
  expect(await judge({ expr: "sum(a_total) or sum(c_total)" })).toMatchObject({ state: "dead" });
  expect(await judge({ expr: "sum(c_total)" })).toMatchObject({ state: "not judged" });
  expect(await judge({ language: "traceql" })).toMatchObject({ state: "not judged" });
  expect(await judge({ language: "logql" })).toMatchObject({ state: "not judged" });
  expect(asked).toEqual([]);
});

test("where exemplars are promised, one with a trace has to be there", async () => {
  const states = await Promise.all(
    [[], [{ exemplars: [{ labels: { trace_id: "ab" } }] }]].map(async (data) => {
      const { url } = await program({
        "/api/v1/query_range": curve("1"),
        "/api/v1/query_exemplars": { data },
      });
      return judgeQuery(
        query({ exemplars: true }),
        { prometheus: url, without: [] },
        new Set(["a_total"]),
        window,
      );
    }),
  );
  expect(states).toEqual([
    { state: "dead", why: "no exemplars" },
    { state: "alive", series: 1 },
  ]);
});

test("Tempo and Loki are asked for traces and lines in the window", async () => {
  const tempo = await program({ "/api/search": { traces: [{}] } });
  const loki = await program({ "/loki/api/v1/query_range": { data: { result: [] } } });
  const backends = {
    prometheus: "http://127.0.0.1:1",
    tempo: tempo.url,
    loki: loki.url,
    without: [],
  };
  const judge = (part: Partial<DashboardQuery>) =>
    judgeQuery(query(part), backends, new Set(), window);
  expect(await judge({ language: "traceql", expr: "{ }" })).toMatchObject({ state: "alive" });
  expect(await judge({ language: "logql", expr: '{a="b"}' })).toMatchObject({ state: "dead" });
  expect(tempo.asked[0]?.searchParams.get("end")).toBe("1000000");
  expect(loki.asked[0]?.searchParams.get("start")).toBe("999940000000000");
});
