import { routes } from "#lab/api/routes.ts";
import type { SearchBody, TagsBody, TagValuesBody } from "#lab/api/search.ts";
import { literalOf } from "../trace/traceql-completion.ts";
import { type Apology, apologyOf, getJson } from "./api.ts";

export type FoundTrace = SearchBody["traces"][number];

/** Most traces that are listed. */
export const searchLimit = 50;

/** Traces that a TraceQL query finds, newest first. One search at a time: the last one asked for wins. */
export class TraceSearch {
  found = $state.raw<readonly FoundTrace[] | undefined>();
  /** What is wrong with the query or its answer. What was found before stays. */
  trouble = $state.raw<Apology | undefined>();
  #under: AbortController | undefined;
  #again: (() => void) | undefined;

  async run(query: string): Promise<void> {
    if (this.#under !== undefined) {
      this.#again = () => void this.run(query);
      return;
    }
    const abort = new AbortController();
    this.#under = abort;
    const asked = new URLSearchParams({ q: query.trim() || "{}", limit: String(searchLimit) });
    try {
      const { traces } = await getJson<SearchBody>(`${routes.search}?${asked}`, abort.signal);
      this.found = traces;
      this.trouble = undefined;
    } catch (error) {
      this.trouble = apologyOf(error);
    }
    this.#under = undefined;
    const again = this.#again;
    this.#again = undefined;
    again?.();
  }
}

/** Names and values that a query can ask for, read when they are first wanted. */
export class Vocabulary {
  readonly #names = new Map<string, Promise<readonly string[]>>();
  readonly #values = new Map<string, Promise<readonly string[]>>();

  /** What was read is forgotten: runs bring new names. */
  forget(): void {
    this.#names.clear();
    this.#values.clear();
  }

  /** Names with their scopes, of the spans that `query` means. Failing only means that nothing is offered. */
  names(query = "{}"): Promise<readonly string[]> {
    return once(this.#names, query, () =>
      getJson<TagsBody>(withQuery(routes.tags, query)).then(
        ({ scopes }) =>
          scopes.flatMap(({ name, tags }) => tags.flatMap((tag) => written(name, tag))),
        () => [],
      ),
    );
  }

  /** Values of a name as TraceQL writes them, of the spans that `query` means. */
  valuesOf(name: string, query = "{}"): Promise<readonly string[]> {
    return once(this.#values, `${name} ${query}`, () =>
      getJson<TagValuesBody>(withQuery(routes.tagValues(name), query)).then(
        ({ tagValues }) => tagValues.map(literalOf),
        () => [],
      ),
    );
  }
}

function once<T>(known: Map<string, Promise<T>>, key: string, read: () => Promise<T>): Promise<T> {
  const reading = known.get(key) ?? read();
  known.set(key, reading);
  return reading;
}

const withQuery = (path: string, q: string): string => `${path}?${new URLSearchParams({ q })}`;

/** Of the intrinsics only those without a scope, which say the same and are shorter. */
function written(scope: string, tag: string): readonly string[] {
  if (scope === "intrinsic") return tag.includes(":") ? [] : [tag];
  return [`${scope}.${/^[\w.-]+$/.test(tag) ? tag : JSON.stringify(tag)}`];
}
