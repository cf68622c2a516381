import { attribute } from "#scenarios/names.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";
import type { Comparison, SpanSelector } from "#scenarios/span-selector.ts";

const runFilter = (runId: string): string => `{ .${attribute.runId} = ${literal(runId)} }`;

/** All spans of a run that carry its id. */
export const runQuery = (runId: string): string => runFilter(runId);

/**
 * TraceQL (https://grafana.com/docs/tempo/latest/traceql/) for the spans that selectors mean in the
 * traces of a run. Self time and the target of a link cannot be said in TraceQL: the query then
 * finds more.
 */
export const spanQuery = (runId: string, ...selectors: readonly SpanSelector[]): string =>
  [runFilter(runId), ...selectors.map(spanset)].join(" && ");

function spanset(selector: SpanSelector): string {
  const own = `{ ${conditions(selector).join(" && ")} }`.replace("{  }", "{ }");
  const related = [
    selector.childOf && `(${spanset(selector.childOf)} > ${own})`,
    selector.descendantOf && `(${spanset(selector.descendantOf)} >> ${own})`,
  ].filter((part) => part !== undefined);
  if (related.length === 0) return own;
  return related.length === 1 && related[0] ? related[0] : `(${related.join(" && ")})`;
}

function conditions(selector: SpanSelector): string[] {
  const { name, service, kind, status, attributes, resource, durationMs, exception } = selector;
  const found: string[] = [];
  if (name !== undefined) found.push(...compared("name", name));
  if (service !== undefined) found.push(...compared("resource.service.name", service));
  if (kind !== undefined) found.push(`kind = ${kind}`);
  if (status !== undefined) found.push(`status = ${status}`);
  for (const [key, comparison] of Object.entries(attributes ?? {})) {
    found.push(...compared(field("span", key), comparison));
  }
  for (const [key, comparison] of Object.entries(resource ?? {})) {
    found.push(...compared(field("resource", key), comparison));
  }
  if (durationMs !== undefined) found.push(...compared("duration", durationMs, milliseconds));
  if (exception?.type !== undefined)
    found.push(...compared("event.exception.type", exception.type));
  if (exception?.message !== undefined) {
    found.push(...compared("event.exception.message", exception.message));
  }
  if (exception && !exception.type && !exception.message) found.push('event:name = "exception"');
  if (selector.noParent) found.push("nestedSetParent < 0");
  return found;
}

const field = (scope: string, key: string): string =>
  /^[\w.-]+$/.test(key) ? `${scope}.${key}` : `${scope}.${literal(key)}`;

const milliseconds = (value: ParamValue): string =>
  typeof value === "number" ? `${value}ms` : literal(value);

function compared(
  what: string,
  comparison: Comparison,
  write: (value: ParamValue) => string = literal,
): string[] {
  if (typeof comparison !== "object") return [`${what} = ${write(comparison)}`];
  const { eq, ne, gt, gte, lt, lte, in: options, matches, exists } = comparison;
  return [
    eq !== undefined && `${what} = ${write(eq)}`,
    ne !== undefined && `${what} != ${write(ne)}`,
    gt !== undefined && `${what} > ${write(gt)}`,
    gte !== undefined && `${what} >= ${write(gte)}`,
    lt !== undefined && `${what} < ${write(lt)}`,
    lte !== undefined && `${what} <= ${write(lte)}`,
    options && `(${options.map((option) => `${what} = ${write(option)}`).join(" || ")})`,
    // Tempo anchors a pattern at both ends; ours is found anywhere.
    matches !== undefined && `${what} =~ ${literal(`(?s:.*)(?:${matches})(?s:.*)`)}`,
    exists !== undefined && `${what} ${exists ? "!=" : "="} nil`,
  ].filter((part) => typeof part === "string");
}

const literal = (value: ParamValue): string =>
  typeof value === "string"
    ? `"${value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`
    : String(value);
