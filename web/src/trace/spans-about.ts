import type { Expectation } from "#scenarios/expectation.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";
import type { Comparison, SpanSelector } from "#scenarios/span-selector.ts";
import { plainValue } from "./attributes.ts";
import type { TraceSpan } from "./trace.ts";

type Params = Readonly<Record<string, ParamValue>>;

/**
 * Ids of the spans that a check looks at, for the way from a check to the waterfall and back. What
 * it says of their number, durations or relations is the judge's part and not asked here.
 */
export function spansAbout(
  expectation: Expectation,
  spans: readonly TraceSpan[],
  params: Params,
): readonly string[] {
  const byId = new Map(spans.map((span) => [span.id, span]));
  const matching = (selectors: readonly SpanSelector[]): readonly string[] =>
    spans
      .filter((span) => selectors.some((selector) => isMeant(span, selector, byId, params)))
      .map(({ id }) => id);
  switch (expectation.signal) {
    case "span":
      return matching([expectation.select]);
    case "order":
      return matching([expectation.first, expectation.second]);
    case "trace":
      return spans
        .filter(({ parentId }) => parentId === null || !byId.has(parentId))
        .map(({ id }) => id);
    case "agree":
      return matching(expectation.of.flatMap((one) => ("spans" in one ? [one.spans] : [])));
    case "metric":
    case "log":
    case "sentry":
    case "answer":
    case "page":
    case "component":
    case "secrets":
    case "check":
      return [];
  }
}

function isMeant(
  span: TraceSpan,
  selector: SpanSelector,
  byId: ReadonlyMap<string, TraceSpan>,
  params: Params,
): boolean {
  const {
    name,
    service,
    kind,
    status,
    attributes = {},
    noParent,
    childOf,
    descendantOf,
  } = selector;
  const parent = byId.get(span.parentId ?? "");
  const meant = (other: TraceSpan | undefined, wanted: SpanSelector): boolean =>
    other !== undefined && isMeant(other, wanted, byId, params);
  const below = (wanted: SpanSelector): boolean => {
    const passed = new Set<string>();
    for (
      let at = parent;
      at !== undefined && !passed.has(at.id);
      at = byId.get(at.parentId ?? "")
    ) {
      if (meant(at, wanted)) return true;
      passed.add(at.id);
    }
    return false;
  };
  return (
    (name === undefined || holds(span.name, name, params)) &&
    (service === undefined || holds(span.service, service, params)) &&
    (kind === undefined || span.kind === kind) &&
    (status === undefined || (status === "error") === span.failed) &&
    (noParent === undefined || span.parentId === null) &&
    (childOf === undefined || meant(parent, childOf)) &&
    (descendantOf === undefined || below(descendantOf)) &&
    Object.entries(attributes).every(([key, wanted]) =>
      holds(attributeOf(span, key), wanted, params),
    )
  );
}

/** Null where the span has none, undefined where the page does not have the span's attributes. */
function attributeOf({ details }: TraceSpan, key: string): unknown {
  if (details === null) return undefined;
  const found = details.raw.attributes?.find((attribute) => attribute.key === key);
  return found === undefined ? null : plainValue(found.value);
}

function holds(seen: unknown, wanted: Comparison, params: Params): boolean {
  if (seen === undefined) return true;
  if (typeof wanted !== "object") return same(seen, wanted, params);
  const { eq, ne, in: oneOf, matches, exists, gt, gte, lt, lte } = wanted;
  const number = (bound: number | string): number => Number(filled(bound, params));
  return (
    (eq === undefined || same(seen, eq, params)) &&
    (ne === undefined || !same(seen, ne, params)) &&
    (oneOf === undefined || oneOf.some((one) => same(seen, one, params))) &&
    (matches === undefined || new RegExp(String(filled(matches, params))).test(String(seen))) &&
    (exists === undefined || exists === (seen !== null)) &&
    [
      [gt, (bound: number) => Number(seen) > bound] as const,
      [gte, (bound: number) => Number(seen) >= bound] as const,
      [lt, (bound: number) => Number(seen) < bound] as const,
      [lte, (bound: number) => Number(seen) <= bound] as const,
      // A bound that has to be computed is the judge's part.
    ].every(
      ([bound, is]) => bound === undefined || Number.isNaN(number(bound)) || is(number(bound)),
    )
  );
}

const same = (seen: unknown, wanted: ParamValue, params: Params): boolean =>
  String(seen) === String(filled(wanted, params));

const filled = (value: ParamValue, params: Params): ParamValue =>
  typeof value === "string"
    ? value.replace(/\$\{params\.(\w+)\}/g, (written, name: string) =>
        String(params[name] ?? written),
      )
    : value;
