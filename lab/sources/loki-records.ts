import { attribute } from "#scenarios/names.ts";
import type { LogRecord } from "../api/logs.ts";
import type { LokiLine } from "./loki.ts";

/** Labels that are no attributes: what the record itself has a field for, and what Loki adds. */
const fields: ReadonlySet<string> = new Set([
  ...["service_name", "trace_id", "span_id", "severity_text", "severity_number"],
  ...["detected_level", "observed_timestamp", "flags", "scope_name", "scope_version"],
]);

/**
 * Lines as the records they were. Loki keeps neither the dots of a name nor the type of a value:
 * both are those that the same attribute has in records known from elsewhere, while the value is
 * Loki's.
 */
export function recordsOf(
  lines: readonly LokiLine[],
  known: readonly LogRecord[],
): readonly LogRecord[] {
  const originals = new Map<string, { readonly name: string; readonly example: unknown }>();
  for (const name of Object.values(attribute)) originals.set(labelOf(name), { name, example: "" });
  for (const { attributes } of known) {
    for (const [name, example] of Object.entries(attributes)) {
      originals.set(labelOf(name), { name, example });
    }
  }
  return lines.map(({ labels, ...line }, seq) => ({
    ...line,
    // Nothing else orders them: it tells one line from the next.
    seq,
    attributes: Object.fromEntries(
      Object.entries(labels)
        .filter(([label]) => !fields.has(label))
        .map(([label, text]) => {
          const original = originals.get(label);
          return original === undefined
            ? [label, text]
            : [original.name, valueLike(original.example, text)];
        }),
    ),
  }));
}

/** https://grafana.com/docs/loki/latest/send-data/otel/#format-considerations */
const labelOf = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "_");

function valueLike(example: unknown, text: string): unknown {
  switch (typeof example) {
    case "number":
      return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "object":
      return parsed(text);
    default:
      return text;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
