import { expect, test } from "vitest";
import type { OtlpSpan } from "#lab/api/otlp.ts";
import { openTestStore } from "../testing/open.ts";
import { newSpanId, newTraceId, span, text, traces } from "../testing/payload.ts";

/** What Tempo's pages on TraceQL say, told as traces of a small shop. */
const int = (key: string, value: number) => ({ key, value: { intValue: String(value) } });
const list = (key: string, ...values: string[]) => ({
  key,
  value: { arrayValue: { values: values.map((stringValue) => ({ stringValue })) } },
});

interface SearchBody {
  readonly traces: readonly {
    readonly traceID: string;
    readonly spanSets: readonly {
      readonly matched: number;
      readonly spans: readonly {
        readonly name?: string;
        readonly attributes?: readonly { readonly key: string }[];
      }[];
    }[];
  }[];
}

/** Two traces: `order` through three services, two regions and a failure; `look`, a calm one. */
async function shop() {
  const store = await openTestStore();
  const ids = { order: newTraceId(), look: newTraceId() };
  const send = async (
    traceId: string,
    service: string,
    region: string,
    more: Partial<OtlpSpan>,
  ): Promise<string> => {
    const spanId = newSpanId();
    const body = traces([span({ traceId, spanId, ...more })]);
    const [group] = body.resourceSpans;
    const resource = {
      attributes: [
        text("service.name", service),
        text("cloud.region", region),
        text("deployment.environment", region === "eu-1" ? "production" : "staging"),
      ],
    };
    const scoped = (group?.scopeSpans ?? []).map((each) => ({
      ...each,
      scope: { name: "lib-http", version: "1.2.3", attributes: [text("language", "java")] },
    }));
    await store.post(
      "/v1/traces",
      JSON.stringify({ resourceSpans: [{ resource, scopeSpans: scoped }] }),
      { "content-type": "application/json" },
    );
    return spanId;
  };
  const root = await send(ids.order, "frontend", "eu-1", {
    name: "POST /api/orders",
    kind: 2,
    attributes: [
      text("http.method", "POST"),
      int("http.status_code", 500),
      text("http.url", "/path/of/api"),
      list("http.request.header.Accept", "text/html", "application/json"),
      int("http.request_content_length", 20 * 1024 * 1024),
      text("attribute name with space", "value"),
    ],
    status: { code: 2 },
  });
  const api = await send(ids.order, "api", "us-1", {
    name: "reserve",
    parentSpanId: root,
    attributes: [text("http.method", "DELETE"), int("http.status_code", 204)],
    events: [
      {
        timeUnixNano: "1",
        name: "exception",
        attributes: [text("exception.message", "ouch, something went wrong here")],
      },
    ],
  });
  await send(ids.order, "db", "us-1", {
    name: "INSERT",
    parentSpanId: api,
    attributes: [text("db.system", "postgresql"), int("bytesProcessed", 7)],
    links: [
      {
        traceId: "12".repeat(16),
        spanId: "34".repeat(8),
        attributes: [text("opentracing.ref_type", "child_of")],
      },
    ],
    status: { code: 2 },
  });
  await send(ids.order, "db", "us-1", {
    name: "SELECT",
    parentSpanId: api,
    attributes: [text("db.system", "postgresql"), int("bytesProcessed", 5)],
  });
  await send(ids.look, "frontend", "eu-1", {
    name: "GET /api/products/{id}",
    kind: 2,
    attributes: [text("http.method", "GET"), int("http.status_code", 200)],
    status: { code: 1 },
  });
  const search = async (query: string) => {
    const { traces: found } = await store.get<SearchBody>(
      `/api/search?spss=100&q=${encodeURIComponent(query)}`,
    );
    return found.toReversed();
  };
  /** Names of the spans found, in all traces. */
  const names = async (query: string) =>
    (await search(`${query} | select(name)`))
      .flatMap(({ spanSets }) => spanSets.flatMap(({ spans }) => spans.map(({ name }) => name)))
      .toSorted();
  return { ids, search, names };
}

const order = "POST /api/orders";
const look = "GET /api/products/{id}";

test("fields of spans, resources, events, links and scopes select spans", async () => {
  const { names } = await shop();
  const cases: readonly [string, readonly string[]][] = [
    [`{resource.service.name = "frontend" && name = "${order}"}`, [order]],
    [`{ span:name = "${look}" }`, [look]],
    ["{ span.http.status_code >= 200 && span.http.status_code < 300 }", [look, "reserve"]],
    ['{ span.http.method = "DELETE" && status != ok }', ["reserve"]],
    ['{ span.http.method =~ "DELETE|GET" }', [look, "reserve"]],
    // Unscoped: the span's own, or the resource's.
    ['{ .deployment.environment = "production" && span.http.status_code = 200 }', [look]],
    ['{ resource.deployment.environment =~ "prod.*" }', [look, order]],
    ["{ .bytesProcessed != nil }", ["INSERT", "SELECT"]],
    // Quoted parts of names.
    ['{ ."attribute name with space" = "value" }', [order]],
    ['{ span."attribute name with space" = "value" }', [order]],
    ['{ event:name = "exception" }', ["reserve"]],
    ['{ event.exception.message =~ ".*something went wrong.*" }', ["reserve"]],
    ['{ link.opentracing.ref_type = "child_of" }', ["INSERT"]],
    [`{ link:traceID = "${"12".repeat(16)}" && link:spanID = "${"34".repeat(8)}" }`, ["INSERT"]],
    [
      '{ instrumentation.language = "java" && instrumentation:name =~ "lib-.*" && kind = server }',
      [look, order],
    ],
    // Arithmetic on the side of the value.
    ["{ span.http.request_content_length > 10 * 1024 * 1024 }", [order]],
    // One element of an array is enough; patterns are anchored.
    ['{span.http.request.header.Accept=~"application.*"}', [order]],
    ['{span.http.request.header.Accept=~"application"}', []],
    // A number is no text.
    ['{ span.http.status_code >= "400" }', []],
  ];
  for (const [query, found] of cases) expect(await names(query), query).toEqual(found.toSorted());
});

test("all conditions in one pair of braces must hold on one span, in several on any", async () => {
  const { names, search, ids } = await shop();
  expect(
    await names('{ resource.cloud.region = "eu-1" && resource.cloud.region = "us-1" }'),
  ).toEqual([]);
  const two = await search(
    '{ resource.cloud.region = "eu-1" } && { resource.cloud.region = "us-1" }',
  );
  expect(two.map(({ traceID }) => traceID)).toEqual([ids.order]);
  const either = await search('{ name = "INSERT" } || { span.http.method = "GET" }');
  expect(either.map(({ traceID }) => traceID)).toEqual([ids.order, ids.look]);
});

test("structural operators give the right side, their unions both, their negations what does not relate", async () => {
  const { names } = await shop();
  const cases: readonly [string, readonly string[]][] = [
    ['{ resource.service.name="frontend" } >> { status = error }', ["INSERT"]],
    ['{ resource.service.name="frontend" } > { status = error }', []],
    ['{ name = "INSERT" } << { kind = server }', [order]],
    ['{ name = "INSERT" } < { resource.service.name = "api" }', ["reserve"]],
    ['{ name = "INSERT" } ~ { name = "SELECT" }', ["SELECT"]],
    // Failures that no failure lies below, whatever the depth.
    ["{ status = error } !<< { status = error }", ["INSERT"]],
    // Services that call no other: nothing names them as its parent.
    ['{ } !< { resource.service.name = "db" }', ["INSERT", "SELECT"]],
    [
      '{ span.http.url = "/path/of/api" && status = error } &>> { status = error }',
      ["INSERT", order],
    ],
    ['{ name = "INSERT" } &~ { name = "SELECT" }', ["INSERT", "SELECT"]],
  ];
  for (const [query, found] of cases) expect(await names(query), query).toEqual(found.toSorted());
});

test("pipelines count, sum up, group and choose what is shown", async () => {
  const { search, ids } = await shop();
  const found = async (query: string) =>
    (await search(query)).map(({ traceID, spanSets }) => [
      traceID,
      spanSets.map(({ matched }) => matched),
    ]);
  expect(await found('{ .db.system = "postgresql" } | count() > 1')).toEqual([[ids.order, [2]]]);
  expect(await found('{ .db.system = "postgresql" } | count() > 2')).toEqual([]);
  expect(await found("{ } | sum(span.bytesProcessed) > 11")).toEqual([[ids.order, [4]]]);
  expect(await found("{ } | sum(span.bytesProcessed) > 12")).toEqual([]);
  expect(await found("{ status = error } | by(resource.service.name) | count() > 1")).toEqual([]);
  expect(await found("{ } | by(resource.service.name) | count() > 1")).toEqual([[ids.order, [2]]]);
  const [shown] = await search("{ status = error } | select(span.http.status_code, span.http.url)");
  const keys = shown?.spanSets[0]?.spans.map(({ attributes = [] }) =>
    attributes.map(({ key }) => key).toSorted(),
  );
  expect(keys).toContainEqual(["http.status_code", "http.url", "status"]);
});

test("whole numbers divide to whole numbers, numbers with a fraction do not", async () => {
  const { names } = await shop();
  expect(await names("{ span.bytesProcessed / 2 = 3 }")).toEqual(["INSERT"]);
  expect(await names("{ span.bytesProcessed / 2.0 = 3.5 }")).toEqual(["INSERT"]);
});

test("hints at the end are taken, metrics functions refused with their name", async () => {
  const { search } = await shop();
  expect(await search("{} with (most_recent=true)")).toHaveLength(2);
  await expect(search("{ kind = server } | rate() by (instrumentation:name)")).rejects.toThrow();
});
