import { SvelteMap } from "svelte/reactivity";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import { routes } from "#lab/api/routes.ts";
import { decodeTrace, type SpanDetails, type TraceSpan } from "../trace/trace.ts";
import { getJson } from "./api.ts";

/** Spans that one request asks for. */
const perRequest = 100;

/** Reads the details of single spans of a trace that came without them, a few at a time. */
export class DetailsReader {
  readonly #known = new SvelteMap<string, SpanDetails>();
  readonly #asked = new Set<string>();
  readonly #traceId: string;
  #queue: string[] = [];

  constructor(traceId: string) {
    this.#traceId = traceId;
  }

  /** The span's details; null at first when they have to be fetched, which this sets off. */
  of(span: TraceSpan): SpanDetails | null {
    if (span.details !== null) return span.details;
    const known = this.#known.get(span.id);
    if (known === undefined) this.#want(span.id);
    return known ?? null;
  }

  #want(id: string): void {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    // What one turn of drawing asks for goes into one request.
    if (this.#queue.push(id) === 1) queueMicrotask(() => void this.#readAll());
  }

  async #readAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const ids = this.#queue.slice(0, perRequest);
      try {
        await this.#read(ids);
      } catch {
        // Asked for again when the row is drawn again.
        for (const id of ids) this.#asked.delete(id);
      }
      this.#queue = this.#queue.slice(ids.length);
    }
  }

  async #read(ids: readonly string[]): Promise<void> {
    const otlp = await getJson<OtlpTrace>(routes.spans(this.#traceId, ids.join(",")));
    for (const { id, details } of decodeTrace(this.#traceId, otlp).spans)
      if (details !== null) this.#known.set(id, details);
  }
}
