import { encodeMessage } from "../otlp-encode.ts";
import { tracesRequest } from "../otlp-schema.ts";

export const spansPerBatch = 512;
const spansPerTrace = 25;
let spanNumber = 0;

export const hex = (value: number, digits: number): string =>
  value.toString(16).padStart(digits, "0");
const attribute = (key: string, stringValue: string): object => ({ key, value: { stringValue } });

/** One batch of what an app with HTTP, database and cache spans sends: 12 attributes each. */
export function makeBatch(): Buffer {
  const now = BigInt(Date.now()) * 1_000_000n;
  const spans = Array.from({ length: spansPerBatch }, () => {
    const number = ++spanNumber;
    const trace = Math.floor(number / spansPerTrace);
    const inTrace = number % spansPerTrace;
    const duration = BigInt((number * 7919) % 1000) * 100_000n;
    return {
      // Mixed, as random ids are.
      traceId: hex(Math.imul(trace, 0x9e3779b1) >>> 0, 8) + hex(trace, 24),
      spanId: hex(Math.imul(number, 0x85ebca6b) >>> 0, 8) + hex(number, 8),
      ...(inTrace === 0
        ? {}
        : { parentSpanId: hex(Math.imul(number - 1, 0x85ebca6b) >>> 0, 8) + hex(number - 1, 8) }),
      name: ["GET /orders/:id", "SELECT orders", "cache.get", "PUT object"][number % 4],
      kind: inTrace === 0 ? 2 : 3,
      startTimeUnixNano: String(now),
      endTimeUnixNano: String(now + duration),
      status: number % 33 === 0 ? { code: 2, message: "failed" } : {},
      attributes: [
        attribute("lab.run.id", hex(Math.floor(trace / 100), 26)),
        attribute("db.system.name", "postgresql"),
        attribute("db.query.text", "select * from orders where id = $1 and customer_id = $2"),
        attribute("db.namespace", "lab"),
        attribute("db.operation.name", "SELECT"),
        attribute("server.address", "127.0.0.1"),
        { key: "server.port", value: { intValue: 5432 } },
        { key: "db.response.returned_rows", value: { intValue: number % 100 } },
        attribute("http.route", "/orders/:id"),
        attribute("url.path", `/orders/${number % 5000}`),
        attribute("order.id", `order-${number % 20_000}`),
        { key: "lab.retry.attempt", value: { intValue: 1 } },
      ],
    };
  });
  const resource = {
    attributes: [
      attribute("service.name", spanNumber % 3 === 0 ? "lab-web" : "lab-server"),
      attribute("service.version", "1.0.0"),
    ],
  };
  return encodeMessage(
    { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "bench" }, spans }] }] },
    tracesRequest,
  );
}
