import * as v from "valibot";
import { runIdSchema, traceIdSchema } from "../api/ids.ts";
import { clientSchema } from "../api/run-request.ts";
import { parse } from "./json-body.ts";

const count = (most: number, usual: number) =>
  v.optional(
    v.pipe(v.string(), v.digits(), v.toNumber(), v.minValue(1), v.maxValue(most)),
    String(usual),
  );
const shortText = v.pipe(v.string(), v.maxLength(200));
/** Which runs are listed. */
export const runsQuery = v.strictObject({
  scenario: v.optional(shortText),
  mode: v.optional(v.picklist(["fault", "control", "fix"])),
  verdict: v.optional(v.picklist(["pass", "fail", "other"])),
  q: v.optional(shortText),
  before: v.optional(runIdSchema),
  limit: count(500, 100),
});
/** How much of a service's own log is shown. */
export const logLinesQuery = v.strictObject({ lines: count(2000, 200) });
const logsQuery = v.strictObject({
  run: v.optional(runIdSchema),
  trace: v.optional(traceIdSchema),
  service: v.optional(shortText),
  severity: v.optional(v.picklist(["trace", "debug", "info", "warn", "error", "fatal"])),
  text: v.optional(shortText),
  limit: count(5000, 500),
});
const sentryQuery = v.strictObject({
  run: v.optional(runIdSchema),
  trace: v.optional(traceIdSchema),
  kind: v.optional(shortText),
  limit: count(5000, 500),
});
/** Who follows the live events, and of what. */
export const eventsQuery = v.strictObject({
  client: v.optional(clientSchema),
  run: v.optional(runIdSchema),
  trace: v.optional(traceIdSchema),
});
const searchQuery = v.strictObject({
  q: v.optional(v.pipe(v.string(), v.maxLength(4000)), "{}"),
  limit: count(1000, 20),
  start: v.optional(v.pipe(v.string(), v.digits(), v.maxLength(15))),
  end: v.optional(v.pipe(v.string(), v.digits(), v.maxLength(15))),
});
const tagsQuery = v.strictObject({
  q: v.optional(v.pipe(v.string(), v.maxLength(4000)), ""),
});
const redQuery = v.strictObject({
  seconds: count(31_536_000, 300),
  service: v.optional(shortText),
  limit: count(5000, 500),
});

const knownMetricKeys: ReadonlySet<string> = new Set(["run", "name", "from", "to", "limit"]);
const milliseconds = v.pipe(v.string(), v.regex(/^\d{1,15}$/, "Invalid time"));
const metricsQuery = v.pipe(
  v.objectWithRest(
    {
      run: v.optional(runIdSchema),
      name: v.optional(shortText),
      from: v.optional(milliseconds),
      to: v.optional(milliseconds),
      limit: count(5000, 500),
    },
    shortText,
  ),
  // What else there is must be a label, so that a misspelt name is not taken for no filter.
  v.check(
    (query) =>
      Object.keys(query).every((name) => knownMetricKeys.has(name) || /^label\../.test(name)),
    "Only run, name, label.<name>, from, to and limit are known",
  ),
);

/** Of what the store answers under the same name. */
const storeQueries = {
  logs: logsQuery,
  sentry: sentryQuery,
  metrics: metricsQuery,
  red: redQuery,
  search: searchQuery,
  tags: tagsQuery,
};

/** @param query text behind the `?`. @throws LabError `bad-request` that lists every problem. */
export const readQuery = <S extends v.GenericSchema>(schema: S, query: string): v.InferOutput<S> =>
  parse(schema, asObject(query));

/** A query whose values passed, ready to be sent on to the store. @throws LabError `bad-request`. */
export function storeQuery(of: keyof typeof storeQueries, query: string): string {
  const values = Object.entries(readQuery(storeQueries[of], query));
  return new URLSearchParams(values.map(([name, value]) => [name, String(value)])).toString();
}

/** Null prototype: `__proto__` in a query is a name like any other, and refused as unknown. */
function asObject(query: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(query)) values[name] = value;
  return values;
}
