import type { OtlpSpan } from "#lab/api/otlp.ts";
import { openTestStore } from "./open.ts";
import { newTraceId, span, text, tracesProtobuf } from "./payload.ts";

/** When the shop trace starts, nanoseconds since the epoch. */
export const begin = 1_795_357_945_000_000_000n;
/** A span of a tree; times in milliseconds, `at` counts from {@link begin}. */
interface Shape {
  readonly name: string;
  readonly ms?: number;
  readonly at?: number;
  readonly children?: readonly Shape[];
  readonly service?: string;
  readonly more?: Partial<OtlpSpan>;
}

/** Spans of a tree, with the service each is sent by. */
function grow(
  { name, ms = 10, at = 0, children = [], service = "lab-server", more = {} }: Shape,
  traceId: string,
  parentSpanId?: string,
): { readonly service: string; readonly span: OtlpSpan }[] {
  const start = begin + BigInt(at) * 1_000_000n;
  const own = span({
    traceId,
    name,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(start + BigInt(ms) * 1_000_000n),
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    ...more,
  });
  return [{ service, span: own }, ...children.flatMap((child) => grow(child, traceId, own.spanId))];
}

const int = (key: string, value: number) => ({ key, value: { intValue: String(value) } });

/** root(click) → GET /orders → { SELECT ×3 one failed, cache.get → deep } */
const shop: Shape = {
  name: "click",
  service: "lab-web",
  ms: 400,
  children: [
    {
      name: "GET /orders",
      ms: 300,
      at: 20,
      more: {
        kind: 2,
        attributes: [int("http.response.status_code", 500), text("http.route", "/orders")],
      },
      children: [
        {
          name: "SELECT",
          ms: 100,
          at: 30,
          more: { kind: 3, attributes: [text("db.system.name", "postgresql"), int("rows", 1)] },
        },
        {
          name: "SELECT",
          ms: 50,
          at: 130,
          more: {
            kind: 3,
            status: { code: 2, message: "deadlock" },
            attributes: [
              text("db.system.name", "postgresql"),
              int("rows", 7),
              { key: "ok", value: { boolValue: false } },
            ],
            events: [
              {
                timeUnixNano: String(begin + 140_000_000n),
                name: "exception",
                attributes: [text("exception.type", "PostgresError")],
              },
            ],
            links: [{ traceId: "ab".repeat(16), spanId: "cd".repeat(8) }],
          },
        },
        { name: "SELECT", ms: 20, at: 190, more: { kind: 3, attributes: [int("rows", 4)] } },
        {
          name: "cache.get",
          at: 220,
          more: {
            attributes: [
              {
                key: "tags",
                value: { arrayValue: { values: [{ stringValue: "hot" }, { stringValue: "eu" }] } },
              },
            ],
          },
          children: [{ name: "deep", ms: 1, at: 221 }],
        },
      ],
    },
  ],
};
const calm: Shape = { name: "GET /health", ms: 2, at: 5000, more: { kind: 2 } };

/** What a search answers, as far as tests look. */
export interface SearchBody {
  readonly traces: readonly {
    readonly traceID: string;
    readonly spanSets: readonly {
      readonly matched: number;
      readonly spans: readonly { readonly name?: string }[];
    }[];
  }[];
}

/** A store with a shop's trace and a calm one. */
export async function openShop() {
  const store = await openTestStore();
  const ids = { shop: newTraceId(), calm: newTraceId() };
  for (const each of [...grow(shop, ids.shop), ...grow(calm, ids.calm)])
    await store.post("/v1/traces", tracesProtobuf([each.span], each.service));
  const search = (query: string, more = "") =>
    store.get<SearchBody>(`/api/search?spss=100&q=${encodeURIComponent(query)}${more}`);
  return { store, ids, search };
}
