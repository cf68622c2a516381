import { expect, test } from "vitest";
import { span, text, traces } from "./testing/payload.ts";
import { begin, openShop } from "./testing/shop-traces.ts";

test("tags and their values are listed by scope", async () => {
  const { store } = await openShop();
  const { scopes } = await store.get<{ scopes: { name: string; tags: string[] }[] }>(
    "/api/v2/search/tags",
  );
  const tags = (scope: string) => scopes.find(({ name }) => name === scope)?.tags;
  expect(tags("resource")).toEqual(["service.name"]);
  expect(tags("span")).toEqual([
    "db.system.name",
    "http.response.status_code",
    "http.route",
    "ok",
    "rows",
    "tags",
  ]);
  expect(tags("event")).toEqual(["exception.type"]);
  expect(tags("intrinsic")).toContain("duration");
  expect(await store.get("/api/v2/search/tags?scope=event")).toMatchObject({
    scopes: [{ name: "event" }],
  });
  expect(await store.get("/api/search/tags")).toMatchObject({
    tagNames: expect.arrayContaining(["rows", "service.name"]),
  });
  const values = (tag: string) => store.get(`/api/v2/search/tag/${encodeURIComponent(tag)}/values`);
  expect(await values("span.rows")).toEqual({
    tagValues: ["1", "4", "7"].map((value) => ({ type: "int", value })),
  });
  expect(await values("resource.service.name")).toMatchObject({
    tagValues: [{ value: "lab-server" }, { value: "lab-web" }],
  });
  expect(await values("status")).toMatchObject({
    tagValues: [{ type: "keyword", value: "unset" }, {}, {}],
  });
  expect(await values("name")).toMatchObject({
    tagValues: [{ value: "GET /health" }, {}, {}, {}, {}, {}],
  });
  expect(await store.get("/api/search/tag/http.route/values")).toEqual({ tagValues: ["/orders"] });
  expect(await store.get("/api/search/tag/%27%22%7D/values")).toEqual({ tagValues: [] });
});

type Values = { readonly tagValues: readonly { readonly value: string }[] };

/** Values of a tag of the spans that a query means. */
async function valuesWhere(
  store: Awaited<ReturnType<typeof openShop>>["store"],
  tag: string,
  query: string,
  more = "",
): Promise<readonly string[]> {
  const path = `/api/v2/search/tag/${tag}/values?q=${encodeURIComponent(query)}${more}`;
  return (await store.get<Values>(path)).tagValues.map(({ value }) => value);
}

test("a query narrows the values and the names to the spans that it means", async () => {
  const { store } = await openShop();
  const values = (tag: string, query: string) => valuesWhere(store, tag, query);
  expect(await values("span.rows", "{ status = error }")).toEqual(["7"]);
  expect(
    await values("name", '{ span.db.system.name = "postgresql" && duration >= 100ms }'),
  ).toEqual(["SELECT"]);
  expect(await values("resource.service.name", '{ name = "click" }')).toEqual(["lab-web"]);
  expect(await values("name", '{ rootServiceName = "lab-server" }')).toEqual(["GET /health"]);
  expect(await values("span.rows", '{ name = "nobody" }')).toEqual([]);
  const { scopes } = await store.get<{ scopes: { name: string; tags: string[] }[] }>(
    `/api/v2/search/tags?q=${encodeURIComponent("{ kind = server }")}`,
  );
  expect(scopes.filter(({ name }) => name !== "intrinsic")).toEqual([
    { name: "resource", tags: ["service.name"] },
    { name: "span", tags: ["http.response.status_code", "http.route"] },
  ]);
});

test("what of a query is not finished does not count, and beyond one { && } nothing does", async () => {
  const { store } = await openShop();
  const all = ["1", "4", "7"];
  for (const [query, rows] of [
    ["{ status = error && span.http.route = }", ["7"]],
    ['{ status = error && name = "SEL', ["7"]],
    ["{ status = error &&", ["7"]],
    ['{ name = "a } || { b" && status = error }', []],
    ["{ status = error && name = 1 }", ["7"]],
    ["", all],
    ["{ nonsense", all],
    ["status = error", all],
    ["{ status = error || kind = server }", all],
    ["{ status = error } && { kind = server }", all],
    ["{ status = error } | count() > 1", all],
    ["{ status = error && .ok = false }", all],
  ] as const)
    expect(await valuesWhere(store, "span.rows", query), query).toEqual(rows);
  expect(await valuesWhere(store, "span.rows", "{ span.rows = 99 && status = error }")).toEqual([
    "99",
  ]);
});

test("names and values come from the time that is asked about, no more than are wanted", async () => {
  const { store } = await openShop();
  const seconds = Number(begin / 1_000_000_000n);
  const during = (from: number, to: number) => `&start=${seconds + from}&end=${seconds + to}`;
  expect(await valuesWhere(store, "name", "", during(4, 9))).toEqual(["GET /health"]);
  expect(await valuesWhere(store, "name", "{ kind = server }", during(0, 2))).toEqual([
    "GET /orders",
  ]);
  expect(await valuesWhere(store, "name", "", "&limit=2")).toHaveLength(2);
  expect(await valuesWhere(store, "name", "", "&limit=x")).toHaveLength(6);
  const names = await store.get("/api/v2/search/tags?scope=span&limit=2");
  expect(names).toMatchObject({
    scopes: [{ tags: ["db.system.name", "http.response.status_code"] }],
  });
  expect(await store.get("/api/search/tags?scope=resource")).toEqual({
    tagNames: ["service.name"],
  });
  expect(await store.get("/api/search/tag/name/values?limit=1")).toMatchObject({
    tagValues: [expect.any(String)],
  });
});

test("ids are nobody's values, and a tag without a scope is refused in Tempo's words", async () => {
  const { store } = await openShop();
  for (const tag of ["span:id", "trace:id", "span:parentID", "link:spanID", "duration"])
    expect(await valuesWhere(store, tag, ""), tag).toEqual([]);
  const answer = await fetch(`${store.url}/api/v2/search/tag/rows/values`);
  expect(answer.status).toBe(400);
  expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(await answer.text()).toContain("not valid intrinsic or scoped attribute: rows\n");
});

test("attributes of instrumentation scopes are tags, too, and names may be quoted or hold spaces", async () => {
  const { store } = await openShop();
  const scope = { name: "lib", attributes: [{ key: "lib.kind", value: { stringValue: "http" } }] };
  const body = traces([span({ attributes: [text("an odd.name", "x")] })]);
  const [group] = body.resourceSpans;
  const scopeSpans = group?.scopeSpans.map((each) => ({ ...each, scope }));
  await store.post("/v1/traces", JSON.stringify({ resourceSpans: [{ ...group, scopeSpans }] }), {
    "content-type": "application/json",
  });
  expect(await store.get("/api/v2/search/tags?scope=instrumentation")).toEqual({
    scopes: [{ name: "instrumentation", tags: ["lib.kind"] }],
  });
  expect(await valuesWhere(store, "instrumentation.lib.kind", "")).toEqual(["http"]);
  expect(await valuesWhere(store, "span.an%20odd.name", "")).toEqual(["x"]);
  expect(await valuesWhere(store, encodeURIComponent('span."an odd.name"'), "")).toEqual(["x"]);
});
