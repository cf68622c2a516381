import { encodeMessage } from "../../otlp-encode.ts";
import { tracesRequest } from "../../otlp-schema.ts";

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface GeneratedTraces {
  readonly requests: readonly Buffer[];
  readonly traceIds: readonly string[];
  /** Traces in which more than one span names no parent. */
  readonly severalRoots: ReadonlySet<string>;
}

const services = ["shop-web", "shop-api", "shop-db"];
const names = ["GET /orders/:id", "SELECT orders", "cache.get", "publish", "render"];

/**
 * Traces of all shapes, each in one request: deep, wide, several roots, parents that never came,
 * attributes of every type, events, links, long and short. `baseMs`: about when they end.
 */
export function generateTraces(count: number, seed: number, baseMs: number): GeneratedTraces {
  const random = randomNumbers(seed);
  const below = (most: number): number => Math.floor(random() * most);
  const one = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => below(16).toString(16)).join("");
  const text = (key: string, stringValue: string): object => ({ key, value: { stringValue } });
  const int = (key: string, intValue: number): object => ({ key, value: { intValue } });
  const maybe = <T>(share: number, make: () => T): T[] => (random() < share ? [make()] : []);
  const traceIds = new Set<string>();
  const severalRoots = new Set<string>();
  const requests: Buffer[] = [];

  while (traceIds.size < count) {
    const traceId = (random() < 0.1 ? "00000000" : `1${hex(7)}`) + hex(24);
    traceIds.add(traceId);
    const start = BigInt(baseMs - 20_000 + below(10_000)) * 1_000_000n + BigInt(below(1_000_000));
    const ids: string[] = [];
    let roots = 0;
    const byService = new Map<string, object[]>();
    for (let left = 1 + below(12); left > 0; left--) {
      const spanId = `1${hex(15)}`;
      const parent =
        ids.length === 0 || random() < 0.05
          ? maybe(0.15, () => hex(16))[0]
          : random() < 0.5
            ? ids.at(-1)
            : one(ids);
      ids.push(spanId);
      if (parent === undefined && ++roots > 1) severalRoots.add(traceId);
      const from = start + BigInt(ids.length) * BigInt(1 + below(3_000_000));
      const nanoseconds = BigInt(below(4) === 0 ? below(2_000_000_000) : below(3_000_000));
      const status = one([{}, {}, { code: 1 }, { code: 2, message: one(["boom", "timeout", ""]) }]);
      const span = {
        traceId,
        spanId,
        ...(parent === undefined ? {} : { parentSpanId: parent }),
        name: one(names),
        kind: below(6),
        startTimeUnixNano: String(from),
        endTimeUnixNano: String(from + nanoseconds),
        status,
        attributes: [
          ...maybe(0.5, () => text("http.method", one(["GET", "POST"]))),
          ...maybe(0.5, () => int("http.status_code", one([200, 404, 500]))),
          ...maybe(0.5, () => text("foo", one(["bar", "baz", "Bar", "bar.baz", "b\\d"]))),
          ...maybe(0.4, () => int("count", below(5))),
          ...maybe(0.4, () => ({ key: "ratio", value: { doubleValue: one([0.5, 1.25, 2]) } })),
          ...maybe(0.4, () => ({ key: "cached", value: { boolValue: random() < 0.5 } })),
          ...maybe(0.2, () => ({
            key: "tags",
            value: {
              arrayValue: {
                values: [{ stringValue: one(["red", "blue"]) }, { stringValue: "green" }],
              },
            },
          })),
          ...maybe(0.3, () => text("an odd.name", one(["x", "y"]))),
          ...maybe(0.2, () => text("service.name", "from-span")),
        ],
        events: maybe(0.3, () => ({
          timeUnixNano: String(from + nanoseconds / 2n),
          name: one(["exception", "retry"]),
          attributes: [text("exception.type", one(["TypeError", "RangeError"]))],
        })),
        links: maybe(0.2, () => ({
          traceId: `1${hex(31)}`,
          spanId: `1${hex(15)}`,
          attributes: [text("link.kind", one(["follows", "retry-of"]))],
        })),
      };
      const service = one(services);
      byService.set(service, [...(byService.get(service) ?? []), span]);
    }
    const resourceSpans = [...byService].map(([service, spans]) => ({
      resource: {
        attributes: [
          text("service.name", service),
          text("service.version", service === "shop-db" ? "2.0.0" : "1.0.0"),
          int("zone", services.indexOf(service)),
        ],
      },
      scopeSpans: [{ scope: { name: `lib-${service}`, version: "1.2.3" }, spans }],
    }));
    requests.push(encodeMessage({ resourceSpans }, tracesRequest));
  }
  return { requests, traceIds: [...traceIds], severalRoots };
}
