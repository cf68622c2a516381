import fc from "fast-check";
import type { Expectation } from "#scenarios/expectation.ts";
import type { RunEvidence } from "#scenarios/run-evidence.ts";
import type { AttributeComparisons, Comparison, SpanSelector } from "#scenarios/span-selector.ts";
import type { Evidence } from "./evidence.ts";
import {
  evidenceOf,
  log,
  type MadeSpan,
  metricEvidence,
  ofRun,
  type PlainAttributes,
  reading,
  runId,
  sentryItem,
  span,
  traceIdOf,
  traceOf,
} from "./factories.ts";

/** Random evidence and expectations over few names, so that they meet often. */
const name = fc.constantFrom("a", "a", "b", "");
const number = fc.oneof(
  fc.integer({ min: -2, max: 6 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const text = fc.oneof(name, fc.constantFrom("${params.n}", "2*${params.n}", "${params.x}", "x${"));
const value = fc.oneof(number, text, fc.boolean());

const optional = <T extends object>(model: { [K in keyof T]-?: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<T>;

const likely = fc.constantFrom<Comparison>(
  "a",
  "b",
  1,
  2,
  { exists: true },
  { gte: 1 },
  { ne: "b" },
);

/** Mostly sensible; else as a careless author could write it: empty, contradictory, unsafe. */
const comparison: fc.Arbitrary<Comparison> = fc.oneof(
  { weight: 6, arbitrary: likely },
  { weight: 1, arbitrary: value },
  {
    weight: 1,
    arbitrary: optional<Exclude<Comparison, string | number | boolean>>({
      eq: value,
      ne: value,
      gt: fc.oneof(number, text),
      gte: fc.oneof(number, text),
      lt: fc.oneof(number, text),
      lte: fc.oneof(number, text),
      in: fc.array(value, { maxLength: 3 }),
      matches: fc.oneof(
        name,
        fc.constantFrom("^a|b$", "(", "(a+)+$", "[", "${params.n}", ".*.*.*x"),
      ),
      exists: fc.boolean(),
    }),
  },
);
const count = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.constant({ gte: 1 }),
  fc.record({ gte: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ lte: fc.integer({ min: 0, max: 3 }) }),
  comparison,
);
const attributes: fc.Arbitrary<AttributeComparisons> = fc.dictionary(
  fc.constantFrom("k", "k", "n", "n", "__proto__"),
  comparison,
  { maxKeys: 2 },
);

const { selector } = fc.letrec<{ selector: SpanSelector }>((tie) => {
  const related = fc.oneof({ maxDepth: 2 }, fc.constant({ name: "a" }), tie("selector"));
  return {
    selector: optional<SpanSelector>({
      name: fc.oneof(name, comparison),
      service: fc.oneof(name, comparison),
      kind: fc.constantFrom("internal", "server", "client"),
      status: fc.constantFrom("unset", "ok", "error"),
      attributes,
      resource: attributes,
      durationMs: comparison,
      selfTimeMs: comparison,
      exception: optional({ type: comparison, message: comparison }),
      childOf: related,
      descendantOf: related,
      noParent: fc.constant(true),
      linksTo: related,
    }).chain((full) => {
      // Few predicates at a time: with all of them at once nothing would ever match.
      const given = Object.keys(full) as (keyof SpanSelector)[];
      return fc
        .subarray(given, { maxLength: Math.min(2, given.length) })
        .map((keys) => Object.fromEntries(keys.map((key) => [key, full[key]])));
    }),
  };
});

type Model<E> = { [K in Exclude<keyof E, "why" | "hint">]-?: fc.Arbitrary<E[K]> };
const expected = <E extends Expectation>(
  required: readonly (keyof E)[],
  model: Model<E>,
): fc.Arbitrary<Expectation> =>
  fc
    .record(model as never, { requiredKeys: required as never })
    .map((made) => ({ why: "w", hint: "h", ...(made as object) }) as Expectation);
type Of<S extends Expectation["signal"]> = Extract<Expectation, { signal: S }>;
const modes = fc.constant(["fault"] as const);

export const expectation: fc.Arbitrary<Expectation> = fc.oneof(
  {
    weight: 4,
    arbitrary: expected<Of<"span">>(["signal", "select"], {
      signal: fc.constant("span"),
      select: selector,
      count,
      every: selector,
      distinct: fc.record({ attribute: fc.constantFrom("k", "n"), count }),
      modes,
    }),
  },
  expected<Of<"order">>(["signal", "first", "relation", "second"], {
    signal: fc.constant("order"),
    first: selector,
    relation: fc.constantFrom("before", "overlaps", "within", "ends-after-parent"),
    second: selector,
    modes,
  }),
  expected<Of<"trace">>(["signal"], {
    signal: fc.constant("trace"),
    traces: count,
    roots: count,
    orphans: count,
    services: fc.array(name, { maxLength: 1 }),
    modes,
  }),
  expected<Of<"metric">>(["signal", "name"], {
    signal: fc.constant("metric"),
    name: fc.constantFrom("requests_total", "pool", "missing"),
    aliases: fc.array(fc.constantFrom("requests_total", "pool"), { maxLength: 2 }),
    labels: attributes,
    delta: count,
    max: count,
    returnsTo: fc.constant("baseline"),
    exemplar: fc.constant(true),
    modes,
  }),
  expected<Of<"log">>(["signal"], {
    signal: fc.constant("log"),
    service: comparison,
    severity: fc.constantFrom("info", "warn"),
    body: name,
    attributes,
    count,
    correlated: fc.constant(true),
    modes,
  }),
  expected<Of<"sentry">>(["signal", "item"], {
    signal: fc.constant("sentry"),
    item: fc.constantFrom("event", "log", "transaction"),
    name: comparison,
    service: comparison,
    level: fc.constantFrom("error", "fatal"),
    mechanism: comparison,
    handled: fc.boolean(),
    exception: optional({ type: comparison, message: comparison }),
    count,
    sameTrace: fc.constant(true),
    modes,
  }),
  expected<Of<"answer">>(["signal"], {
    signal: fc.constant("answer"),
    status: comparison,
    durationMs: comparison,
    modes,
  }),
  expected<Of<"page">>(["signal", "observation", "value"], {
    signal: fc.constant("page"),
    observation: fc.constantFrom("a", "__proto__"),
    value: comparison,
    modes,
  }),
  expected<Of<"component">>(["signal", "component"], {
    signal: fc.constant("component"),
    component: fc.constantFrom("server", "store"),
    restarts: count,
    exitCode: comparison,
    modes,
  }),
  expected<Of<"agree">>(["signal", "of"], {
    signal: fc.constant("agree"),
    of: fc.array(
      fc.oneof(
        fc.record({ spans: selector }),
        fc.constant({ metric: { name: "requests_total" } }),
        fc.record({ logs: fc.record({ body: name }) }),
        fc.constant({ sentry: { item: "event" as const } }),
      ),
      { minLength: 2, maxLength: 3 },
    ),
    within: fc.nat({ max: 3 }),
    modes,
  }),
  expected<Of<"secrets">>(["signal"], {
    signal: fc.constant("secrets"),
    planted: fc.constant("plant"),
    count,
    modes,
  }),
  expected<Of<"check">>(["signal", "title"], {
    signal: fc.constant("check"),
    title: fc.constant("t"),
    reads: fc.constant(["traces"] as const),
    check: fc.constantFrom(
      ({ spans }: RunEvidence) => ({ ok: spans.length > 2, seen: `${spans.length} spans` }),
      () => {
        throw new Error("no");
      },
    ),
    modes,
  }),
);

const plain = fc.dictionary(
  fc.constantFrom("k", "n"),
  fc.oneof(name, fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.array(name, { maxLength: 2 })),
  { maxKeys: 2 },
) as fc.Arbitrary<PlainAttributes>;

/** Up to twelve spans with ids by position; parents and links may be missing, backwards, or in a ring. */
export const spans: fc.Arbitrary<readonly MadeSpan[]> = fc
  .array(
    fc.record(
      {
        trace: fc.constantFrom(0, 0, 0, 1, 2),
        parent: fc.integer({ min: 0, max: 14 }),
        name,
        service: name,
        kind: fc.integer({ min: 0, max: 6 }),
        status: fc.integer({ min: 0, max: 3 }),
        startMs: fc.integer({ min: 0, max: 20 }),
        durationMs: fc.integer({ min: -1, max: 20 }),
        attributes: plain,
        resource: plain,
        exception: fc.record({ type: name, message: name }),
        links: fc.array(
          fc.record({ trace: fc.integer({ min: 0, max: 2 }), id: fc.integer({ min: 0, max: 14 }) }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: ["trace", "name"] },
    ),
    { maxLength: 12 },
  )
  .map((specs) => specs.map((spec, id) => span({ ...spec, id })));

const counters = (requests: number, pool: number) =>
  reading(
    "# TYPE process_start_time_seconds gauge",
    "process_start_time_seconds 1",
    "# TYPE requests counter",
    `requests_total{k="a"} ${requests} # {trace_id="${traceIdOf(requests % 3)}"} 1`,
    "# TYPE pool gauge",
    `pool{n="1"} ${pool}`,
  );

const logs = fc
  .array(
    fc.record({
      trace: fc.constantFrom(0, 1, null),
      span: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 14 })),
      body: name,
      severity: fc.constantFrom("info" as const, "warn" as const),
      attributes: fc.oneof(plain, fc.constant(ofRun()), fc.constant({ "exception.type": "a" })),
    }),
    { maxLength: 5 },
  )
  .map((specs) => specs.map(log));

const sentry = fc
  .array(
    fc.record(
      {
        kind: fc.constantFrom("event" as const, "log" as const, "transaction" as const),
        trace: fc.constantFrom(0, 1, null),
        level: fc.constantFrom("error", "fatal"),
        type: name,
        handled: fc.boolean(),
        payload: fc.oneof(
          fc.constant({}),
          fc.constant({ tags: ofRun() }),
          fc.dictionary(
            fc.constantFrom("exception", "tags", "body", "transaction"),
            fc.jsonValue(),
          ),
        ),
      },
      { requiredKeys: ["kind", "trace"] },
    ),
    { maxLength: 4 },
  )
  .map((specs) => specs.map(sentryItem));

/** The evidence of one run as it might be at its end. Traces 0 to 2 are the run's. */
export const evidence: fc.Arbitrary<Evidence> = fc
  .record({
    spans,
    logs,
    sentry,
    requests: fc.array(fc.nat({ max: 3 }), { minLength: 2, maxLength: 4 }),
    answer: fc.oneof(
      fc.constant(null),
      fc.record({ status: fc.constantFrom(0, 1, 200), durationMs: fc.nat(5) }),
    ),
    page: fc.dictionary(fc.constantFrom("a", "b"), fc.oneof(fc.boolean(), name)),
    restarts: fc.constantFrom({}, { server: 1 }, { server: 3 }),
    exitCodes: fc.constantFrom({}, { server: [1] }, { server: [1, 2] }),
    params: fc.constantFrom({}, { n: 2 }, { n: "a" }),
  })
  .map(({ spans: made, requests, ...rest }) => {
    let total = 0;
    const readings = requests.map((more) => {
      total += more;
      return counters(total, more);
    });
    return evidenceOf({
      ...rest,
      runId,
      traceIds: [0, 1, 2].map(traceIdOf),
      traces: made.map((one) => traceOf([one])),
      metrics: metricEvidence(...readings),
    });
  });
