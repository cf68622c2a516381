import type { SentryItem } from "#lab/api/sentry.ts";

/** The bytes are not a Sentry envelope. Says why, never what was in it. */
export class MalformedEnvelope extends Error {
  override readonly name = "MalformedEnvelope";
}

/** Most items (log entries counted singly) one envelope may bring. */
export const maxItemsPerEnvelope = 1000;

/** What the store keeps in memory of one item; its payload stays on disk. */
export interface EnvelopeItem {
  readonly kind: SentryItem["kind"];
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly level: string | null;
  readonly title: string;
  /** Where the item's payload lies in the envelope. */
  readonly offset: number;
  readonly length: number;
  /** Place in the payload's `items`; -1 when the payload is the item itself. */
  readonly index: number;
}

export interface Envelope {
  readonly eventId: string | null;
  readonly items: readonly EnvelopeItem[];
  /** Items of kinds that the store does not keep. */
  readonly ignored: number;
}

type Json = Readonly<Record<string, unknown>>;

const newline = 0x0a;
const kinds: ReadonlyMap<string, SentryItem["kind"]> = new Map([
  ["event", "event"],
  ["transaction", "transaction"],
  ["session", "session"],
  ["sessions", "session"],
  ["client_report", "client_report"],
  ["log", "log"],
  ["trace_metric", "metric"],
]);

/**
 * Reads an envelope: a header line, then items of a header line and a payload each
 * (https://develop.sentry.dev/sdk/foundations/transport/envelopes/). Throws {@link MalformedEnvelope}.
 */
export function readEnvelope(bytes: Buffer): Envelope {
  const items: EnvelopeItem[] = [];
  let ignored = 0;
  let at = lineEnd(bytes, 0);
  const header = parseObject(bytes, 0, at, "envelope header");
  at++;
  while (at < bytes.length) {
    // Blank lines between and after items are allowed.
    if (bytes[at] === newline) {
      at++;
      continue;
    }
    const headerEnd = lineEnd(bytes, at);
    const itemHeader = parseObject(bytes, at, headerEnd, "item header");
    const type = itemHeader.type;
    if (typeof type !== "string") throw new MalformedEnvelope("item without a type");
    const offset = Math.min(headerEnd + 1, bytes.length);
    const length = payloadLength(bytes, offset, itemHeader.length);
    at = offset + length;
    if (at < bytes.length && bytes[at] !== newline)
      throw new MalformedEnvelope("item longer than its length says");
    at++;
    const kind = kinds.get(type);
    if (kind === undefined) {
      ignored++;
      continue;
    }
    items.push(...itemsOf(kind, parseObject(bytes, offset, offset + length, type), offset, length));
    if (items.length > maxItemsPerEnvelope) throw new MalformedEnvelope("too many items");
  }
  return { eventId: text(header.event_id), items, ignored };
}

function payloadLength(bytes: Buffer, offset: number, length: unknown): number {
  if (length === undefined) return lineEnd(bytes, offset) - offset;
  if (typeof length !== "number" || !Number.isInteger(length) || length < 0)
    throw new MalformedEnvelope("item length is no whole number");
  if (offset + length > bytes.length) throw new MalformedEnvelope("item shorter than its length");
  return length;
}

/** Index of the next newline, or of the end. */
function lineEnd(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(newline, from);
  return at < 0 ? bytes.length : at;
}

function parseObject(bytes: Buffer, from: number, to: number, what: string): Json {
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString("utf8", from, to));
  } catch {
    throw new MalformedEnvelope(`${what.slice(0, 40)} is no JSON`);
  }
  const json = object(parsed);
  if (json === undefined) throw new MalformedEnvelope(`${what.slice(0, 40)} is no JSON object`);
  return json;
}

function itemsOf(
  kind: SentryItem["kind"],
  payload: Json,
  offset: number,
  length: number,
): readonly EnvelopeItem[] {
  const place = { kind, offset, length };
  switch (kind) {
    case "event":
    case "transaction": {
      const trace = object(object(payload.contexts)?.trace);
      return [
        {
          ...place,
          index: -1,
          traceId: traceId(trace?.trace_id),
          spanId: spanId(trace?.span_id),
          level: text(payload.level) ?? (kind === "event" ? "error" : null),
          title: kind === "event" ? eventTitle(payload) : (text(payload.transaction) ?? ""),
        },
      ];
    }
    case "session":
      return [
        {
          ...place,
          index: -1,
          traceId: null,
          spanId: null,
          level: null,
          title: text(payload.status) ?? "sessions",
        },
      ];
    case "client_report":
      return [
        {
          ...place,
          index: -1,
          traceId: null,
          spanId: null,
          level: null,
          title: `${discarded(payload)} discarded by the SDK`,
        },
      ];
    case "log":
    case "metric":
      return list(payload.items).map((entry, index) => {
        const item = object(entry) ?? {};
        return {
          ...place,
          index,
          traceId: traceId(item.trace_id),
          spanId:
            spanId(item.span_id) ??
            spanId(object(object(item.attributes)?.["sentry.trace.parent_span_id"])?.value),
          level: text(item.level),
          title: text(kind === "log" ? item.body : item.name) ?? "",
        };
      });
  }
}

/** Type and message of what was thrown: the last of the chain, causes come before it. */
function eventTitle(payload: Json): string {
  const thrown = object(list(object(payload.exception)?.values).at(-1));
  const message =
    text(thrown?.value) ??
    text(payload.message) ??
    text(object(payload.message)?.formatted) ??
    text(object(payload.logentry)?.formatted) ??
    text(object(payload.logentry)?.message) ??
    "";
  const type = text(thrown?.type);
  return type === null ? message : message === "" ? type : `${type}: ${message}`;
}

function discarded(payload: Json): number {
  return list(payload.discarded_events).reduce<number>((sum, entry) => {
    const quantity = object(entry)?.quantity;
    return sum + (typeof quantity === "number" ? quantity : 0);
  }, 0);
}

const object = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Json)
    : undefined;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string | null =>
  typeof value === "string" ? value.slice(0, 2000) : null;
const traceId = (value: unknown): string | null =>
  typeof value === "string" && /^(?!0{32})[0-9a-f]{32}$/.test(value) ? value : null;
const spanId = (value: unknown): string | null =>
  typeof value === "string" && /^(?!0{16})[0-9a-f]{16}$/.test(value) ? value : null;
