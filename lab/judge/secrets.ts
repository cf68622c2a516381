import type { SecretsExpectation } from "#scenarios/expectation.ts";
import { plainValue } from "./attribute-value.ts";
import { type Credential, credentialsIn, masked, withoutCredentials } from "./credentials.ts";
import type { Finding, NearestMiss } from "./finding.ts";
import { shown } from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { decide } from "./quantity.ts";
import { runEvidenceQuery } from "./run-record-query.ts";

interface Place {
  readonly kind: NearestMiss["kind"];
  readonly title: string;
  readonly traceId: string | null;
  readonly spanId: string | null;
  /** Field inside it, e.g. `attributes.url.full`. */
  readonly field: string;
  readonly text: string;
}

/** Counts the different credentials in everything the run left. */
export function judgeSecrets(
  { planted, count = 0 }: SecretsExpectation,
  prepared: Prepared,
): Finding {
  const { settled, runId } = prepared.evidence;
  const found = new Map<string, { readonly credential: Credential; readonly place: Place }>();
  /** Texts repeat from span to span. */
  const clean = new Set<string>();
  for (const place of placesOf(prepared)) {
    if (clean.has(place.text)) continue;
    const credentials = credentialsIn(place.text, planted);
    if (credentials.length === 0) clean.add(place.text);
    for (const credential of credentials) {
      if (!found.has(credential.value)) found.set(credential.value, { credential, place });
    }
  }
  const verdict = decide(count, found.size, { settled, grows: true });
  const [first] = found.values();
  const fields = [
    ...new Set([...found.values()].map(({ place }) => `${place.kind} ${place.field}`)),
  ];
  return {
    verdict,
    seen:
      found.size === 0
        ? "no credential"
        : `${found.size} in ${fields.slice(0, 4).join(", ")}${fields.length > 4 ? " and others" : ""}`,
    nearest: verdict === "pass" || !first ? null : missed(first.place, first.credential, planted),
    query: runEvidenceQuery(runId),
  };
}

const missed = (place: Place, credential: Credential, planted?: string): NearestMiss => ({
  kind: place.kind,
  title: shown(withoutCredentials(place.title, planted)),
  traceId: place.traceId,
  spanId: place.spanId,
  ticks: [
    { predicate: place.field, expected: "no credential", seen: masked(credential), ok: false },
  ],
});

function* placesOf({ spans, logs, sentry, evidence }: Prepared): Generator<Place> {
  for (const { span, traceId, spanId, resource } of spans) {
    const at = { kind: "span", title: span.name, traceId, spanId } as const;
    yield { ...at, field: "name", text: span.name };
    if (span.status?.message) yield { ...at, field: "status", text: span.status.message };
    for (const { key, value } of span.attributes ?? []) {
      yield* textsIn(plainValue(value), `attributes.${key}`, at, key);
    }
    for (const event of span.events ?? []) {
      for (const { key, value } of event.attributes ?? []) {
        yield* textsIn(plainValue(value), `events.${event.name}.${key}`, at, key);
      }
    }
    for (const { key, value } of resource ?? []) {
      yield* textsIn(plainValue(value), `resource.${key}`, at, key);
    }
  }
  for (const { body, traceId, spanId, attributes } of logs) {
    const at = { kind: "log", title: body, traceId, spanId } as const;
    yield { ...at, field: "body", text: body };
    yield* textsIn(attributes, "attributes", at);
  }
  for (const { title, traceId, spanId, payload } of sentry) {
    yield* textsIn(payload, "payload", { kind: "sentry", title, traceId, spanId });
  }
  for (const { name, labels, exemplar } of evidence.metrics?.latest?.samples ?? []) {
    const at = { kind: "metric", title: name, traceId: null, spanId: null } as const;
    yield* textsIn(labels, "labels", at);
    yield* textsIn(exemplar?.labels, "exemplar", at);
  }
}

/** Every text inside a value. A text under a key is also read as `key: text`, as a dump would show it. */
function* textsIn(
  value: unknown,
  field: string,
  at: Omit<Place, "field" | "text">,
  key = "",
): Generator<Place> {
  if (typeof value === "string") yield { ...at, field, text: key ? `${key}: ${value}` : value };
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    const path = Array.isArray(value) ? `${field}[${name}]` : `${field}.${name}`;
    yield* textsIn(inner, path, at, Array.isArray(value) ? key : name);
  }
}
