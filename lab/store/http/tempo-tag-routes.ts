import type { Store } from "../store.ts";
import type { TagQuery } from "../tag-spans.ts";
import { anyAttribute, tagField, tagNames, tagValues } from "../tags.ts";
import { matchersOf } from "../traceql/matchers.ts";
import { sendJson } from "./answer.ts";
import { itemLimit, timeRange } from "./query-values.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

const askedScopes: ReadonlySet<string> = new Set([
  ...["", "none", "resource", "span", "intrinsic", "event", "link", "instrumentation"],
]);

/** What the older API calls these. */
const oldNames: ReadonlyMap<string, string> = new Map([
  ["root.name", "rootName"],
  ["root.service.name", "rootServiceName"],
  ["service.name", "resource.service.name"],
]);

/** Names of attributes by scope, of the spans that the query's `q`, `start` and `end` mean. */
export const tagNamesRoute = (store: Store, path: RegExp): Route => ({
  method: "GET",
  path,
  handle: ({ response, query }) => sendJson(response, { scopes: scopesOf(store, query) }),
});

/** Values of a tag, of the spans that the query's `q`, `start` and `end` mean. */
export const tagValuesRoute = (store: Store, path: RegExp): Route => ({
  method: "GET",
  path,
  handle: ({ response, params, query }) => {
    const name = decoded(params[0]);
    const field = tagField(name);
    // In Tempo's words.
    if (field === undefined)
      throw new Refusal(
        400,
        "bad_query",
        `please provide a valid tagName: tag name is not valid intrinsic or scoped attribute: ${name}`,
        { hint: "Begin it with its scope, e.g. span. or resource., or with a dot for any." },
      );
    const values = tagValues(store.index, field, meant(query), itemLimit(query));
    sendJson(response, {
      // Protobuf's JSON leaves out what is empty.
      tagValues: values.map(({ type, value }) => (value === "" ? { type } : { type, value })),
    });
  },
});

/** Tempo's tags, in both versions (https://grafana.com/docs/tempo/latest/api_docs/#search-tags-v2). */
export function tempoTagRoutes(store: Store): readonly Route[] {
  return [
    tagNamesRoute(store, /^\/api\/v2\/search\/tags$/),
    tagValuesRoute(store, /^\/api\/v2\/search\/tag\/([^/]+)\/values$/),
    {
      method: "GET",
      path: /^\/api\/search\/tags$/,
      handle: ({ response, query }) => {
        const asked = query.get("scope") === "intrinsic";
        const names = scopesOf(store, query)
          .filter(({ name }) => asked || name !== "intrinsic")
          .flatMap(({ tags }) => tags);
        sendJson(response, { tagNames: [...new Set(names)].sort() });
      },
    },
    {
      method: "GET",
      path: /^\/api\/search\/tag\/([^/]+)\/values$/,
      handle: ({ response, params, query }) => {
        const name = decoded(params[0]);
        const field = tagField(oldNames.get(name) ?? name) ?? anyAttribute(name);
        const spans: TagQuery = { ...meant(query), matchers: [] };
        const values = tagValues(store.index, field, spans, itemLimit(query));
        sendJson(response, { tagValues: values.map(({ value }) => value) });
      },
    },
  ];
}

function scopesOf({ index }: Store, query: URLSearchParams) {
  const wanted = query.get("scope") ?? "";
  if (!askedScopes.has(wanted))
    throw new Refusal(400, "bad_query", `invalid scope: ${wanted}`, {
      hint: `Use one of ${[...askedScopes].filter(Boolean).join(", ")}.`,
    });
  return tagNames(index, meant(query), itemLimit(query)).filter(
    ({ name }) => wanted === "" || wanted === "none" || wanted === name,
  );
}

const meant = (query: URLSearchParams): TagQuery => ({
  matchers: matchersOf(query.get("q") ?? ""),
  ...timeRange(query),
});

function decoded(text = ""): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(400, "bad_query", "The tag's name is not URL-encoded.", {
      hint: "Encode it with encodeURIComponent.",
    });
  }
}
