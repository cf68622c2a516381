import { traceService } from "#scenarios/names.ts";
import type {
  LogRecord,
  OtlpKeyValue,
  OtlpSpan,
  OtlpTrace,
  RunRecord,
  SentryItem,
  SignalId,
} from "../api.ts";

/** Everything the lab could read about one run at one moment. */
export interface Evidence {
  readonly traces: readonly OtlpTrace[];
  readonly logs: readonly LogRecord[];
  readonly sentry: readonly SentryItem[];
}

export interface EvidenceSummary {
  readonly counts: RunRecord["counts"];
  readonly seen: ReadonlySet<SignalId>;
  /** The driver's root span is there: the trace has its top. */
  readonly rootSeen: boolean;
}

/** https://opentelemetry.io/docs/specs/otel/trace/api/#spankind in OTLP's numbering */
const kind = { server: 2, client: 3 } as const;
const drivers: ReadonlySet<string> = new Set([traceService.web, traceService.cli]);

/** Counts and lights, from what was read. A span delivered twice counts once. */
export function summarize({ traces, logs, sentry }: Evidence): EvidenceSummary {
  const ids = new Set<string>();
  const seen = new Set<SignalId>();
  let rootSeen = false;
  for (const { service, span } of spansOf(traces)) {
    ids.add(`${span.traceId}/${span.spanId}`);
    for (const signal of signalsOf(service, span)) seen.add(signal);
    rootSeen ||= drivers.has(service) && !span.parentSpanId;
  }
  if (logs.length > 0) seen.add("log");
  if (sentry.some((item) => item.kind === "event")) seen.add("sentry-event");
  return {
    counts: { spans: ids.size, logs: logs.length, sentry: sentry.length },
    seen,
    rootSeen,
  };
}

function signalsOf(service: string, span: OtlpSpan): readonly SignalId[] {
  if (service === traceService.web) return ["browser-span"];
  const toStore = span.kind === kind.client && textOf(span.attributes, "db.system.name") !== "";
  if (toStore) return ["store-span"];
  return service === traceService.server && span.kind === kind.server ? ["server-span"] : [];
}

function* spansOf(
  traces: readonly OtlpTrace[],
): Generator<{ readonly service: string; readonly span: OtlpSpan }> {
  for (const { resourceSpans } of traces) {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = textOf(resource?.attributes, "service.name");
      for (const { spans } of scopeSpans) for (const span of spans) yield { service, span };
    }
  }
}

const textOf = (attributes: readonly OtlpKeyValue[] | undefined, key: string): string =>
  attributes?.find((attribute) => attribute.key === key)?.value?.stringValue ?? "";

/** Keeps the first of each, by number of arrival: the same record is found by run and by trace. */
export function distinct<T extends { readonly seq: number }>(
  lists: readonly (readonly T[])[],
): T[] {
  return [...new Map(lists.flat().map((item) => [item.seq, item])).values()];
}
