import { traceService } from "#scenarios/names.ts";
import type { LogRecord } from "../api/logs.ts";
import type { OtlpKeyValue, OtlpSpan, OtlpTrace } from "../api/otlp.ts";
import type { SignalId } from "../api/runs.ts";
import type { SentryItem } from "../api/sentry.ts";
import type { EvidenceKey, StoreSource } from "../sources/store.ts";

/** A run's telemetry as the store has it, and what was found in it. */
export interface Telemetry {
  /** By trace id: those that carry the run id, and those that they link to. */
  readonly traces: ReadonlyMap<string, ReadTrace>;
  readonly logs: readonly LogRecord[];
  readonly sentry: readonly SentryItem[];
}

export interface ReadTrace {
  readonly trace: OtlpTrace;
  readonly summary: TraceSummary;
}

export interface TraceSummary {
  /** A span delivered twice counts once. */
  readonly spans: number;
  readonly signals: ReadonlySet<SignalId>;
  /** The driver's root span is there: the trace has its top. */
  readonly rootSeen: boolean;
  /** Other traces that its spans link to. */
  readonly linked: ReadonlySet<string>;
}

export const noTelemetry: Telemetry = { traces: new Map(), logs: [], sentry: [] };

/** Linked traces read for one run at most. */
const linkedLimit = 20;

/** Which part of the telemetry grew since it was read. */
export interface Stale {
  readonly traces: ReadonlySet<string>;
  readonly logs: boolean;
  readonly sentry: boolean;
}

/** Reads what is stale and keeps the rest. Rejects while the store is away. */
export async function readTelemetry(
  source: StoreSource,
  run: { readonly runId: string; readonly traceIds: readonly string[] },
  stale: Stale,
  known: Telemetry,
): Promise<Telemetry> {
  // By trace as well: a record may have come before any span told the store which run it is of.
  const keys = [{ run: run.runId }, ...run.traceIds.map((trace) => ({ trace }))];
  const [traces, logs, sentry] = await Promise.all([
    readTraces(source, stale.traces, known.traces),
    stale.logs ? readAll(source.logs, keys) : known.logs,
    stale.sentry ? readAll(source.sentry, keys) : known.sentry,
  ]);
  return { traces, logs, sentry };
}

/** The wanted ones anew, and whatever they link to. */
async function readTraces(
  source: StoreSource,
  wanted: ReadonlySet<string>,
  known: Telemetry["traces"],
): Promise<Telemetry["traces"]> {
  const traces = new Map(known);
  const read = async (id: string): Promise<void> => {
    const trace = await source.trace(id);
    if (trace !== undefined) traces.set(id, { trace, summary: summarizeTrace(trace) });
  };
  await Promise.all([...wanted].map(read));
  const linked = new Set([...traces.values()].flatMap(({ summary }) => [...summary.linked]));
  const unread = [...linked].filter((id) => !traces.has(id)).slice(0, linkedLimit);
  await Promise.all(unread.map(read));
  return traces;
}

/** The same record is found by run and by trace: it counts once. */
async function readAll<T extends LogRecord | SentryItem>(
  read: (key: EvidenceKey) => Promise<readonly T[]>,
  keys: readonly EvidenceKey[],
): Promise<readonly T[]> {
  const lists = await Promise.all(keys.map(read));
  return [...new Map(lists.flat().map((item) => [item.seq, item])).values()];
}

/** Spans of these traces. */
export const spanCount = ({ traces }: Telemetry, traceIds: readonly string[]): number =>
  traceIds.reduce((sum, id) => sum + (traces.get(id)?.summary.spans ?? 0), 0);

export const isRootSeen = ({ traces }: Telemetry): boolean =>
  traces.values().some(({ summary }) => summary.rootSeen);

/** The lights of the signal strip that this telemetry switches on. */
export function signalsSeen({ traces, logs, sentry }: Telemetry): ReadonlySet<SignalId> {
  const seen = new Set<SignalId>();
  for (const { summary } of traces.values()) for (const id of summary.signals) seen.add(id);
  if (logs.length > 0) seen.add("log");
  if (sentry.some(({ kind }) => kind === "event")) seen.add("sentry-event");
  return seen;
}

/** https://opentelemetry.io/docs/specs/otel/trace/api/#spankind in OTLP's numbering */
const kind = { server: 2, client: 3 } as const;
const drivers: ReadonlySet<string> = new Set([traceService.web, traceService.cli]);

export function summarizeTrace({ resourceSpans }: OtlpTrace): TraceSummary {
  const ids = new Set<string>();
  const signals = new Set<SignalId>();
  const linked = new Set<string>();
  let rootSeen = false;
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = textOf(resource?.attributes, "service.name");
    for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
      ids.add(span.spanId);
      const signal = signalOf(service, span);
      if (signal !== undefined) signals.add(signal);
      rootSeen ||= drivers.has(service) && !span.parentSpanId;
      for (const { traceId } of span.links ?? []) if (traceId !== span.traceId) linked.add(traceId);
    }
  }
  return { spans: ids.size, signals, rootSeen, linked };
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
