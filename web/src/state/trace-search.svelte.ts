import { routes, type SearchBody, type TagsBody, type TagValuesBody } from "#lab/api.ts";
import { literalOf } from "../trace/traceql-completion.ts";
import { apologyOf, getJson } from "./api.ts";

export type FoundTrace = SearchBody["traces"][number];

/** Most traces that are listed. */
export const searchLimit = 50;

/** Traces that a TraceQL query finds, newest first. One search at a time: the last one asked for wins. */
export class TraceSearch {
  found = $state.raw<readonly FoundTrace[] | undefined>();
  /** What is wrong with the query or its answer. What was found before stays. */
  trouble = $state.raw<{ readonly message: string; readonly hint: string } | undefined>();
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
  names = $state.raw<readonly string[]>([]);
  readonly #values = new Map<string, Promise<readonly string[]>>();

  /** Read anew each time: runs bring new names. Failing only means that nothing is offered. */
  async readNames(): Promise<void> {
    try {
      const { scopes } = await getJson<TagsBody>(routes.tags);
      this.names = scopes.flatMap(({ name, tags }) =>
        name === "intrinsic"
          ? tags.filter((tag) => !tag.includes(":"))
          : tags.map((tag) => `${name}.${/^[\w.-]+$/.test(tag) ? tag : JSON.stringify(tag)}`),
      );
    } catch {
      this.names = [];
    }
    this.#values.clear();
  }

  /** Values of a name as TraceQL writes them. */
  valuesOf(name: string): Promise<readonly string[]> {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const reading = getJson<TagValuesBody>(routes.tagValues(name)).then(
      ({ tagValues }) => tagValues.map(literalOf),
      () => [],
    );
    this.#values.set(name, reading);
    return reading;
  }
}
