import type { OtlpKeyValue, OtlpSpan, OtlpTrace } from "#lab/api.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { traceService } from "#scenarios/names.ts";

/** A defect of instrumentation, made by hand in the evidence of a run that was right. */
export interface Mutant {
  readonly id: string;
  readonly title: string;
  /** Undefined where the evidence has nothing that could be broken in this way. */
  readonly apply: (evidence: Evidence) => Evidence | undefined;
}

interface Placed {
  readonly span: OtlpSpan;
  readonly service: string;
}

/** Rewrites every span; undefined when none changed. */
function withSpans(
  evidence: Evidence,
  rewrite: (placed: Placed) => OtlpSpan,
): Evidence | undefined {
  let changed = false;
  const traces = evidence.traces.map(
    ({ resourceSpans }): OtlpTrace => ({
      resourceSpans: resourceSpans.map((group) => ({
        ...group,
        scopeSpans: group.scopeSpans.map((scoped) => ({
          ...scoped,
          spans: scoped.spans.map((span) => {
            const service = textOf(group.resource?.attributes, "service.name");
            const rewritten = rewrite({ span, service });
            changed ||= rewritten !== span;
            return rewritten;
          }),
        })),
      })),
    }),
  );
  return changed ? { ...evidence, traces } : undefined;
}

const textOf = (attributes: readonly OtlpKeyValue[] | undefined, key: string): string =>
  attributes?.find((attribute) => attribute.key === key)?.value?.stringValue ?? "";

const spansOf = ({ traces }: Evidence): readonly Placed[] =>
  traces.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) =>
        spans.map((span) => ({ span, service: textOf(resource?.attributes, "service.name") })),
      ),
    ),
  );

/** The one that starts last; of equals the one with the higher id. */
const lastOf = (spans: readonly Placed[]): OtlpSpan | undefined =>
  spans
    .map(({ span }) => span)
    .sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
    .at(-1);
const orderOf = ({ startTimeUnixNano, spanId }: OtlpSpan): string =>
  startTimeUnixNano.padStart(20, "0") + spanId;

/** The app starts a trace of its own: what its spans, log lines and Sentry items say goes with it. */
function splitTrace(evidence: Evidence): Evidence | undefined {
  const ofApp = spansOf(evidence).filter(({ service }) => service === traceService.server);
  const own = new Set(ofApp.map(({ span }) => span.spanId));
  const moved = new Map(ofApp.map(({ span }) => [span.traceId, reversed(span.traceId)]));
  const split = withSpans(evidence, ({ span, service }) => {
    if (service !== traceService.server) return span;
    const { parentSpanId, ...rest } = span;
    const inside = parentSpanId !== undefined && own.has(parentSpanId);
    const traceId = moved.get(span.traceId) ?? span.traceId;
    return { ...rest, traceId, ...(inside ? { parentSpanId } : {}) };
  });
  const follow = <T extends { readonly traceId: string | null; readonly spanId: string | null }>(
    item: T,
  ): T =>
    item.spanId !== null && own.has(item.spanId)
      ? { ...item, traceId: moved.get(item.traceId ?? "") ?? item.traceId }
      : item;
  return split && { ...split, logs: split.logs.map(follow), sentry: split.sentry.map(follow) };
}

const reversed = (id: string): string => [...id].reverse().join("");

function renameSpan(evidence: Evidence): Evidence | undefined {
  const victim = lastOf(
    spansOf(evidence).filter(({ span }) => textOf(span.attributes, "db.system.name") !== ""),
  );
  return withSpans(evidence, ({ span }) =>
    span.spanId === victim?.spanId ? { ...span, name: "query" } : span,
  );
}

function orphanChild(evidence: Evidence): Evidence | undefined {
  const victim = lastOf(spansOf(evidence).filter(({ span }) => Boolean(span.parentSpanId)));
  return withSpans(evidence, ({ span }) =>
    span.spanId === victim?.spanId ? { ...span, parentSpanId: "f".repeat(16) } : span,
  );
}

/** Every counter moves twice as far as it did. */
function doubleMetric(evidence: Evidence): Evidence | undefined {
  const { metrics } = evidence;
  if (!metrics?.baseline || !metrics.latest) return undefined;
  const before = new Map(metrics.baseline.samples.map((sample) => [keyOf(sample), sample.value]));
  let changed = false;
  const samples = metrics.latest.samples.map((sample) => {
    const moved = sample.value - (before.get(keyOf(sample)) ?? 0);
    if (moved === 0 || sample.name.startsWith("process_")) return sample;
    changed = true;
    return { ...sample, value: sample.value + moved };
  });
  return changed
    ? { ...evidence, metrics: { ...metrics, during: [], latest: { ...metrics.latest, samples } } }
    : undefined;
}

const keyOf = (sample: { readonly name: string; readonly labels: object }): string =>
  JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);

/** In the order in which a request passes through the instrumentation. */
export const mutants: readonly Mutant[] = [
  {
    id: "split-trace",
    title: "traceparent is dropped: the app starts a trace of its own",
    apply: splitTrace,
  },
  {
    id: "drop-status",
    title: "no span says that it failed",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) => {
        const { status, ...rest } = span;
        return status?.code ? rest : span;
      }),
  },
  { id: "rename-span", title: "one query span has another name", apply: renameSpan },
  {
    id: "drop-links",
    title: "spans link to nothing",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) => (span.links?.length ? { ...span, links: [] } : span)),
  },
  { id: "double-metric", title: "counters count everything twice", apply: doubleMetric },
  {
    id: "uncorrelated-logs",
    title: "log lines carry no trace id",
    apply: (evidence) =>
      evidence.logs.some(({ traceId }) => traceId !== null)
        ? {
            ...evidence,
            logs: evidence.logs.map((line) => ({ ...line, traceId: null, spanId: null })),
          }
        : undefined,
  },
  {
    id: "silent-sentry",
    title: "Sentry hears of nothing",
    apply: (evidence) => (evidence.sentry.length > 0 ? { ...evidence, sentry: [] } : undefined),
  },
  { id: "orphan-child", title: "the parent of one span is lost", apply: orphanChild },
];
