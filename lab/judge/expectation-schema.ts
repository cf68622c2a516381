import * as v from "valibot";
import type { CheckExpectation, Expectation, Quantity } from "#scenarios/expectation.ts";
import { modes } from "#scenarios/mode.ts";
import type { Comparison, SpanSelector } from "#scenarios/span-selector.ts";

/**
 * The scenario language as a schema: what TypeScript checks for a file, checked again for data, and
 * unknown keys refused where TypeScript lets them pass.
 */
const value = v.union([v.pipe(v.number(), v.finite()), v.string(), v.boolean()]);
const bound = v.union([v.pipe(v.number(), v.finite()), v.string()]);
const flag = v.literal(true);

const comparison: v.GenericSchema<Comparison> = v.union([
  value,
  v.strictObject({
    eq: v.exactOptional(value),
    ne: v.exactOptional(value),
    gt: v.exactOptional(bound),
    gte: v.exactOptional(bound),
    lt: v.exactOptional(bound),
    lte: v.exactOptional(bound),
    in: v.exactOptional(v.array(value)),
    matches: v.exactOptional(v.string()),
    exists: v.exactOptional(v.boolean()),
  }),
]);
const comparisons = v.record(v.string(), comparison);
const exception = v.strictObject({
  type: v.exactOptional(comparison),
  message: v.exactOptional(comparison),
});

const selector: v.GenericSchema<SpanSelector> = v.strictObject({
  name: v.exactOptional(comparison),
  service: v.exactOptional(comparison),
  kind: v.exactOptional(v.picklist(["internal", "server", "client", "producer", "consumer"])),
  status: v.exactOptional(v.picklist(["unset", "ok", "error"])),
  attributes: v.exactOptional(comparisons),
  resource: v.exactOptional(comparisons),
  durationMs: v.exactOptional(comparison),
  selfTimeMs: v.exactOptional(comparison),
  exception: v.exactOptional(exception),
  childOf: v.exactOptional(v.lazy(() => selector)),
  descendantOf: v.exactOptional(v.lazy(() => selector)),
  noParent: v.exactOptional(flag),
  linksTo: v.exactOptional(v.lazy(() => selector)),
});

type CheckFunction = NonNullable<CheckExpectation["check"]>;

const words = v.pipe(v.string(), v.trim(), v.nonEmpty("must not be empty"));
const reason = {
  why: words,
  hint: words,
  modes: v.exactOptional(v.array(v.picklist(modes))),
};

const metricSeries = {
  name: v.pipe(v.string(), v.regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, "is no metric name")),
  aliases: v.exactOptional(v.array(v.string())),
  labels: v.exactOptional(comparisons),
};
const logPredicates = {
  service: v.exactOptional(comparison),
  severity: v.exactOptional(v.picklist(["trace", "debug", "info", "warn", "error", "fatal"])),
  body: v.exactOptional(comparison),
  attributes: v.exactOptional(comparisons),
  correlated: v.exactOptional(flag),
};
const sentryPredicates = {
  item: v.picklist(["event", "log", "transaction"]),
  name: v.exactOptional(comparison),
  service: v.exactOptional(comparison),
  level: v.exactOptional(comparison),
  mechanism: v.exactOptional(comparison),
  handled: v.exactOptional(v.boolean()),
  exception: v.exactOptional(exception),
  sameTrace: v.exactOptional(flag),
};
const quantity: v.GenericSchema<Quantity> = v.union([
  v.strictObject({ spans: selector }),
  v.strictObject({ metric: v.strictObject(metricSeries) }),
  v.strictObject({ logs: v.strictObject(logPredicates) }),
  v.strictObject({ sentry: v.strictObject(sentryPredicates) }),
]);

/** Parts that others refer to, by name. */
export const expectationParts = { comparison, comparisons, selector, quantity } as const;

/** One expectation. Issues name the path inside it. */
export const expectationSchema: v.GenericSchema<Expectation> = v.variant("signal", [
  v.strictObject({
    signal: v.literal("span"),
    select: selector,
    count: v.exactOptional(comparison),
    every: v.exactOptional(selector),
    distinct: v.exactOptional(v.strictObject({ attribute: words, count: comparison })),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("order"),
    first: selector,
    relation: v.picklist(["before", "overlaps", "within", "ends-after-parent"]),
    second: selector,
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("trace"),
    traces: v.exactOptional(comparison),
    roots: v.exactOptional(comparison),
    orphans: v.exactOptional(comparison),
    services: v.exactOptional(v.array(v.string())),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("metric"),
    ...metricSeries,
    delta: v.exactOptional(comparison),
    max: v.exactOptional(comparison),
    returnsTo: v.exactOptional(v.literal("baseline")),
    exemplar: v.exactOptional(flag),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("log"),
    ...logPredicates,
    count: v.exactOptional(comparison),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("sentry"),
    ...sentryPredicates,
    count: v.exactOptional(comparison),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("answer"),
    status: v.exactOptional(comparison),
    durationMs: v.exactOptional(comparison),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("page"),
    observation: words,
    value: comparison,
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("component"),
    component: v.picklist(["server", "postgres", "valkey", "minio", "keycloak", "store"]),
    restarts: v.exactOptional(comparison),
    exitCode: v.exactOptional(comparison),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("agree"),
    of: v.pipe(v.array(quantity), v.minLength(2, "needs two quantities to compare")),
    within: v.exactOptional(bound),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("secrets"),
    planted: v.exactOptional(v.pipe(v.string(), v.minLength(4, "is too short to be told apart"))),
    count: v.exactOptional(comparison),
    ...reason,
  }),
  v.strictObject({
    signal: v.literal("check"),
    title: words,
    reads: v.exactOptional(v.array(v.picklist(["traces", "logs", "sentry", "metrics"]))),
    check: v.exactOptional(v.function() as unknown as v.GenericSchema<CheckFunction>),
    ...reason,
  }),
]);
