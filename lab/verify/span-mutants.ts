import type { OtlpSpan } from "#lab/api/otlp.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { attribute, traceService } from "#scenarios/names.ts";
import {
  addSpans,
  otherId,
  type Placed,
  spansOf,
  textAttribute,
  textOf,
  withSpans,
} from "./edits.ts";
import type { Mutant } from "./mutant.ts";

const failed = 2;
const client = 3;
const errorAttributes: ReadonlySet<string> = new Set(["error.type", "db.response.status_code"]);
const isDatabase = ({ span }: Placed): boolean => textOf(span.attributes, "db.system.name") !== "";

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
  const moved = new Map(ofApp.map(({ span }) => [span.traceId, otherId(span.traceId)]));
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

function renameSpan(evidence: Evidence): Evidence | undefined {
  const victim = lastOf(spansOf(evidence).filter(isDatabase));
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

function strayTrace(evidence: Evidence): Evidence | undefined {
  const [first] = spansOf(evidence);
  if (first === undefined) return undefined;
  const { traceId, spanId, startTimeUnixNano, endTimeUnixNano } = first.span;
  return addSpans(evidence, traceService.server, [
    {
      ...{ traceId: otherId(traceId), spanId: otherId(spanId), name: "stray", kind: 1 },
      ...{ startTimeUnixNano, endTimeUnixNano, events: [], links: [] },
      attributes: [textAttribute(attribute.runId, evidence.runId)],
      status: { code: failed },
    },
  ]);
}

/** Everything happens in the opposite order. */
function reverseTime(evidence: Evidence): Evidence | undefined {
  const spans = spansOf(evidence);
  const moments = spans.flatMap(({ span }) => [
    BigInt(span.startTimeUnixNano),
    BigInt(span.endTimeUnixNano),
  ]);
  const sum = moments.reduce(least, moments[0] ?? 0n) + moments.reduce(most, 0n);
  const mirrored = (time: string): string => String(sum - BigInt(time));
  return withSpans(evidence, ({ span }) => ({
    ...span,
    startTimeUnixNano: mirrored(span.endTimeUnixNano),
    endTimeUnixNano: mirrored(span.startTimeUnixNano),
  }));
}
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);

const tenSeconds = 10_000_000_000n;

/** Defects of traces, in the order in which a request passes through the instrumentation. */
export const spanMutants: readonly Mutant[] = [
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
  {
    id: "drop-database-status",
    title: "no database span says that it failed",
    apply: (evidence) =>
      withSpans(evidence, (placed) => {
        const { status, ...rest } = placed.span;
        return status?.code && isDatabase(placed) ? rest : placed.span;
      }),
  },
  { id: "rename-span", title: "one query span has another name", apply: renameSpan },
  {
    id: "drop-links",
    title: "spans link to nothing",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) => (span.links?.length ? { ...span, links: [] } : span)),
  },
  { id: "orphan-child", title: "the parent of one span is lost", apply: orphanChild },
  {
    id: "lose-spans",
    title: "the app exports no span",
    apply: (evidence) =>
      withSpans(evidence, ({ span, service }) => (service === traceService.server ? [] : span)),
  },
  {
    id: "lose-driver",
    title: "who drove the run exports no span",
    apply: (evidence) =>
      withSpans(evidence, ({ span, service }) => (service === traceService.server ? span : [])),
  },
  {
    id: "double-spans",
    title: "every span is made twice",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) => [span, { ...span, spanId: otherId(span.spanId) }]),
  },
  {
    id: "all-failed",
    title: "every span says that it failed",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) =>
        span.status?.code === failed ? span : { ...span, status: { code: failed } },
      ),
  },
  {
    id: "other-error",
    title: "failed spans name another error",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) =>
        span.attributes?.some(({ key }) => errorAttributes.has(key))
          ? {
              ...span,
              attributes: span.attributes.map((one) =>
                errorAttributes.has(one.key) ? textAttribute(one.key, "stray") : one,
              ),
            }
          : span,
      ),
  },
  {
    id: "stray-children",
    title: "every span of the app sends a request that nobody asked for",
    apply: (evidence) =>
      withSpans(evidence, ({ span, service }) =>
        service === traceService.server
          ? [
              span,
              {
                ...span,
                ...{ spanId: otherId(span.spanId), parentSpanId: span.spanId, name: "stray" },
                ...{ kind: client, attributes: [], events: [], links: [], status: {} },
              },
            ]
          : span,
      ),
  },
  {
    id: "drop-attributes",
    title: "spans have no attribute but the run's id",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) => {
        const left = span.attributes?.filter(({ key }) => key === attribute.runId) ?? [];
        return left.length === (span.attributes?.length ?? 0)
          ? span
          : { ...span, attributes: left };
      }),
  },
  {
    id: "drop-events",
    title: "spans have no events",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) => (span.events?.length ? { ...span, events: [] } : span)),
  },
  { id: "stray-trace", title: "one more trace carries the run's id", apply: strayTrace },
  {
    id: "late-ends",
    title: "every span ends ten seconds later",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) => ({
        ...span,
        endTimeUnixNano: String(BigInt(span.endTimeUnixNano) + tenSeconds),
      })),
  },
  {
    id: "no-time",
    title: "every span ends when it starts",
    apply: (evidence) =>
      withSpans(evidence, ({ span }) =>
        span.endTimeUnixNano === span.startTimeUnixNano
          ? span
          : { ...span, endTimeUnixNano: span.startTimeUnixNano },
      ),
  },
  { id: "reverse-time", title: "everything happens in reverse order", apply: reverseTime },
];
