import { attribute } from "#scenarios/names.ts";

/** Reads a path of keys in data of unknown shape; a negative number counts from the end of a list. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value;
  for (const key of path) {
    if (Array.isArray(current) && typeof key === "number") current = current.at(key);
    else if (typeof current === "object" && current !== null && Object.hasOwn(current, key)) {
      current = (current as Readonly<Record<string | number, unknown>>)[key];
    } else return undefined;
  }
  return current;
}

/** Attribute of a Sentry log or span: `{ value, type }` in envelopes, bare in trace data. */
const attributeAt = (payload: unknown, key: string): unknown =>
  at(payload, "attributes", key, "value") ?? at(payload, "attributes", key);

const texts = (values: readonly unknown[]): readonly string[] =>
  values.filter((value) => typeof value === "string");

/** Run id that an item names itself; `undefined` when only its trace can tell. */
export const sentryRunId = (payload: unknown): string | undefined =>
  texts([
    at(payload, "tags", attribute.runId),
    attributeAt(payload, attribute.runId),
    at(payload, "contexts", "trace", "data", attribute.runId),
  ])[0];

/** Names by which an item tells who sent it, most specific first. */
export const sentryServices = (payload: unknown): readonly string[] =>
  texts([
    at(payload, "tags", "service.name"),
    at(payload, "contexts", "otel", "resource", "service.name"),
    at(payload, "contexts", "trace", "data", "service.name"),
    attributeAt(payload, "service.name"),
    attributeAt(payload, "server.address"),
    at(payload, "server_name"),
  ]);

export interface SentryException {
  readonly type: unknown;
  readonly message: unknown;
  readonly mechanism: unknown;
  readonly handled: unknown;
}

/**
 * The exception an event is about: the last of its values, since a chain of causes is listed root
 * first (https://develop.sentry.dev/sdk/data-model/event-payloads/exception/). A message event has
 * no type.
 */
export function sentryException(payload: unknown): SentryException {
  const last = at(payload, "exception", "values", -1);
  return {
    type: at(last, "type"),
    message:
      at(last, "value") ??
      at(payload, "logentry", "formatted") ??
      at(payload, "logentry", "message") ??
      at(payload, "message"),
    mechanism: at(last, "mechanism", "type"),
    handled: at(last, "mechanism", "handled"),
  };
}
