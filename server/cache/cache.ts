import { context, type Span, type SpanContext, trace } from "@opentelemetry/api";
import { getRPCMetadata } from "@opentelemetry/core";
import { ATTR_ERROR_TYPE } from "@opentelemetry/semantic-conventions";
import type { Cache, Keeping } from "#scenarios/edges/cache.ts";
import { attribute } from "#scenarios/names.ts";
import { errorTypeOf } from "../error-type.ts";
import { endedWith } from "../telemetry/span-outcome.ts";
import type { Valkey } from "../valkey/client.ts";
import { describeKey } from "../valkey/command-text.ts";
import { countRead, type Outcome } from "./metrics.ts";

const tracer = trace.getTracer("lab-server/cache");
const usualJitter = 0.1;

/** A load under way, that others may wait for. */
interface Load {
  readonly value: Promise<unknown>;
  readonly span: SpanContext;
}
type Found =
  | { readonly kind: "hit"; readonly value: unknown }
  | { readonly kind: "miss" }
  | { readonly kind: "error"; readonly error: unknown };

/** A read-through cache. It opens nothing of its own. */
export function openCache(
  valkey: Pick<Valkey, "attempt" | "client" | "isThere" | "setPatience">,
): Cache {
  const loads = new Map<string, Load>();

  async function find(key: string): Promise<Found> {
    let text: string | null;
    try {
      text = await valkey.attempt((client) => client.get(key));
    } catch (error) {
      return { kind: "error", error };
    }
    if (text === null) return { kind: "miss" };
    try {
      return { kind: "hit", value: JSON.parse(text) };
    } catch {
      // Somebody else wrote it, or half of it: the load puts it right.
      return { kind: "miss" };
    }
  }

  async function keep(key: string, value: unknown, keeping: Keeping): Promise<void> {
    const text = JSON.stringify(value);
    if (text === undefined) return;
    await valkey
      .attempt((client) => client.set(key, text, "PX", timeToLive(keeping, Math.random())))
      .catch(() => undefined);
  }

  /** Resolves when the value is there and kept; those who wait for it have it before. */
  async function loadAndKeep<T>(key: string, keeping: Keeping, load: () => Promise<T>): Promise<T> {
    const span = tracer.startSpan("cache load");
    const value = context.with(trace.setSpan(context.active(), span), () => endedWith(span, load));
    const shared: Load = { value, span: span.spanContext() };
    if (keeping.singleFlight !== false) loads.set(key, shared);
    try {
      await keep(key, await value, keeping);
      return await value;
    } finally {
      // Not before it is kept: a reader who missed meanwhile would load it again.
      if (loads.get(key) === shared) loads.delete(key);
    }
  }

  async function read<T>(
    span: Span,
    key: string,
    keeping: Keeping,
    load: () => Promise<T>,
  ): Promise<T> {
    const found = await find(key);
    if (found.kind === "hit") {
      tell(span, "hit");
      return found.value as T;
    }
    if (found.kind === "error") markDegraded(span, found.error);
    const other = keeping.singleFlight === false ? undefined : loads.get(key);
    if (other === undefined) {
      tell(span, found.kind);
      return loadAndKeep(key, keeping, load);
    }
    span.addLink({ context: other.span });
    tell(span, found.kind === "miss" ? "coalesced" : found.kind);
    return other.value as Promise<T>;
  }

  return {
    client: valkey.client,
    isThere: valkey.isThere,
    setPatience: valkey.setPatience,
    through: (key, keeping, load) =>
      tracer.startActiveSpan(
        "cache read",
        { attributes: { [attribute.cacheKey]: describeKey(key) } },
        (span) => endedWith(span, () => read(span, key, keeping, load)),
      ),
    async forget(...keys) {
      if (keys.length === 0) return;
      await valkey.attempt((client) => client.del(...keys)).catch(() => undefined);
    },
  };
}

/** Milliseconds, at least one. `chance` is from 0 up to 1. */
export const timeToLive = ({ ttlMs, jitter = usualJitter }: Keeping, chance: number): number =>
  Math.max(1, Math.round(ttlMs * (1 - jitter * chance)));

function tell(span: Span, outcome: Outcome): void {
  span.setAttribute(attribute.cacheOutcome, outcome);
  countRead(outcome);
}

/** On the read itself and on the request it is part of: its answer came from a fallback. */
function markDegraded(span: Span, error: unknown): void {
  span.setAttributes({ [attribute.degraded]: true, [ATTR_ERROR_TYPE]: errorTypeOf(error) });
  getRPCMetadata(context.active())?.span.setAttribute(attribute.degraded, true);
}
