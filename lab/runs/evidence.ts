import { traceService } from "#scenarios/names.ts";
import type { LogRecord, OtlpKeyValue, OtlpSpan, OtlpTrace, SentryItem, SignalId } from "../api.ts";
import type { EvidenceKey, StoreSource } from "../sources/store.ts";

/** What the lab knows of a run's telemetry, without keeping the telemetry. */
export interface Evidence {
  readonly traces: ReadonlyMap<string, TraceSummary>;
  readonly logs: number;
  readonly sentry: number;
  readonly sentryEvents: number;
}

export interface TraceSummary {
  /** A span delivered twice counts once. */
  readonly spans: number;
  readonly signals: ReadonlySet<SignalId>;
  /** The driver's root span is there: the trace has its top. */
  readonly rootSeen: boolean;
}

export const noEvidence: Evidence = { traces: new Map(), logs: 0, sentry: 0, sentryEvents: 0 };

/** Which part of the evidence grew since it was read. */
export interface Stale {
  readonly traces: ReadonlySet<string>;
  readonly logs: boolean;
  readonly sentry: boolean;
}

/** Reads what is stale and keeps the rest. Rejects while the store is away. */
export async function readEvidence(
  source: StoreSource,
  run: { readonly runId: string; readonly traceIds: readonly string[] },
  stale: Stale,
  known: Evidence,
): Promise<Evidence> {
  // By trace as well: a record may have come before any span told the store which run it is of.
  const keys = [{ run: run.runId }, ...run.traceIds.map((trace) => ({ trace }))];
  const [traces, logs, sentry] = await Promise.all([
    Promise.all([...stale.traces].map((id) => readTrace(source, id))),
    stale.logs ? readAll(source.logs, keys) : undefined,
    stale.sentry ? readAll(source.sentry, keys) : undefined,
  ]);
  return {
    traces: new Map([...known.traces, ...traces.flat()]),
    logs: logs?.length ?? known.logs,
    sentry: sentry?.length ?? known.sentry,
    sentryEvents: sentry?.filter((item) => item.kind === "event").length ?? known.sentryEvents,
  };
}

async function readTrace(source: StoreSource, id: string): Promise<[string, TraceSummary][]> {
  const trace = await source.trace(id);
  return trace === undefined ? [] : [[id, summarizeTrace(trace)]];
}

/** The same record is found by run and by trace: it counts once. */
async function readAll<T extends LogRecord | SentryItem>(
  read: (key: EvidenceKey) => Promise<readonly T[]>,
  keys: readonly EvidenceKey[],
): Promise<readonly T[]> {
  const lists = await Promise.all(keys.map(read));
  return [...new Map(lists.flat().map((item) => [item.seq, item])).values()];
}

/** The lights of the signal strip that this evidence switches on. */
export function signalsSeen(evidence: Evidence): ReadonlySet<SignalId> {
  const seen = new Set<SignalId>();
  for (const { signals } of evidence.traces.values())
    for (const signal of signals) seen.add(signal);
  if (evidence.logs > 0) seen.add("log");
  if (evidence.sentryEvents > 0) seen.add("sentry-event");
  return seen;
}

/** https://opentelemetry.io/docs/specs/otel/trace/api/#spankind in OTLP's numbering */
const kind = { server: 2, client: 3 } as const;
const drivers: ReadonlySet<string> = new Set([traceService.web, traceService.cli]);

export function summarizeTrace({ resourceSpans }: OtlpTrace): TraceSummary {
  const ids = new Set<string>();
  const signals = new Set<SignalId>();
  let rootSeen = false;
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = textOf(resource?.attributes, "service.name");
    for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
      ids.add(span.spanId);
      const signal = signalOf(service, span);
      if (signal !== undefined) signals.add(signal);
      rootSeen ||= drivers.has(service) && !span.parentSpanId;
    }
  }
  return { spans: ids.size, signals, rootSeen };
}

function signalOf(service: string, span: OtlpSpan): SignalId | undefined {
  if (service === traceService.web) return "browser-span";
  if (span.kind === kind.client && textOf(span.attributes, "db.system.name") !== "") {
    return "store-span";
  }
  return service === traceService.server && span.kind === kind.server ? "server-span" : undefined;
}

const textOf = (attributes: readonly OtlpKeyValue[] | undefined, key: string): string =>
  attributes?.find((attribute) => attribute.key === key)?.value?.stringValue ?? "";
