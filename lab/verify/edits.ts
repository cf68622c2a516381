import type { OtlpKeyValue, OtlpSpan, OtlpTrace } from "#lab/api/otlp.ts";
import type { Evidence, MetricEvidence } from "#lab/judge/evidence.ts";
import type { MetricReading } from "#lab/sources/metrics.ts";

/** A span and who sent it. */
export interface Placed {
  readonly span: OtlpSpan;
  readonly service: string;
}

/**
 * Replaces every span by what `rewrite` makes of it: itself, another one, several or none.
 * Undefined when none changed.
 */
export function withSpans(
  evidence: Evidence,
  rewrite: (placed: Placed) => OtlpSpan | readonly OtlpSpan[],
): Evidence | undefined {
  let changed = false;
  const traces = evidence.traces.map(
    ({ resourceSpans }): OtlpTrace => ({
      resourceSpans: resourceSpans.map((group) => ({
        ...group,
        scopeSpans: group.scopeSpans.map((scoped) => ({
          ...scoped,
          spans: scoped.spans.flatMap((span) => {
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

/** Value of a text attribute; empty when there is none. */
export const textOf = (attributes: readonly OtlpKeyValue[] | undefined, key: string): string =>
  attributes?.find((attribute) => attribute.key === key)?.value?.stringValue ?? "";

/** Every span as it stands in the evidence, repetitions included. */
export const spansOf = ({ traces }: Evidence): readonly Placed[] =>
  traces.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) =>
        spans.map((span) => ({ span, service: textOf(resource?.attributes, "service.name") })),
      ),
    ),
  );

/** Adds spans of one service in a document of their own. */
export const addSpans = (
  evidence: Evidence,
  service: string,
  spans: readonly OtlpSpan[],
): Evidence => ({
  ...evidence,
  traces: [
    ...evidence.traces,
    {
      resourceSpans: [
        {
          resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
          scopeSpans: [{ scope: { name: "self-test" }, spans }],
        },
      ],
    },
  ],
});

/** An attribute of text. */
export const textAttribute = (key: string, stringValue: string): OtlpKeyValue => ({
  key,
  value: { stringValue },
});

/** An id that nothing else in the evidence has. */
export const otherId = (id: string): string =>
  [...id].map((digit) => (15 - Number.parseInt(digit, 16)).toString(16)).join("");

/** Rewrites the readings of the app and of every service. Undefined when nothing was read, or nothing changed. */
export function withMetrics(
  evidence: Evidence,
  rewrite: (metrics: {
    readonly baseline: MetricReading;
    readonly during: readonly MetricReading[];
    readonly latest: MetricReading;
  }) => MetricEvidence | undefined,
): Evidence | undefined {
  let changed = false;
  const rewritten = <M extends MetricEvidence>(metrics: M): M => {
    const { baseline, during, latest } = metrics;
    const other = baseline && latest ? rewrite({ baseline, during, latest }) : undefined;
    changed ||= other !== undefined;
    return other === undefined ? metrics : { ...metrics, ...other };
  };
  const metrics = evidence.metrics && rewritten(evidence.metrics);
  const serviceMetrics = evidence.serviceMetrics?.map(rewritten);
  return changed
    ? { ...evidence, metrics, ...(serviceMetrics === undefined ? {} : { serviceMetrics }) }
    : undefined;
}
