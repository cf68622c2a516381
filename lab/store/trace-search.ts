import { rowMask } from "./chunked-table.ts";
import { columnFilter } from "./column-filter.ts";
import { type StoredSpan, type StoredTrace, traceReader } from "./query-span.ts";
import type { StoreIndex } from "./store.ts";
import { checkTraceql } from "./traceql/check.ts";
import { evaluateTraceql, type FoundSpanset } from "./traceql/evaluate.ts";
import { parseTraceql } from "./traceql/parser.ts";
import type {
  FieldExpression,
  FieldReference,
  Pipeline,
  Scalar,
  Spanset,
  Stage,
} from "./traceql/syntax.ts";

export interface TraceSearch {
  readonly query: string;
  /** Most traces in the answer. */
  readonly limit: number;
  /** Only traces that touch this span of time; seconds since the epoch. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface FoundTrace {
  readonly trace: StoredTrace;
  readonly sets: readonly FoundSpanset[];
  /** Fields that the query asked about, to be shown with each span. */
  readonly fields: readonly FieldReference[];
}

export interface SearchResult {
  readonly traces: readonly FoundTrace[];
  /** Traces whose spans were looked at. */
  readonly inspected: number;
}

/** The newest traces that match. Throws `TraceqlError`. */
export function searchTraces(index: StoreIndex, search: TraceSearch): SearchResult {
  const pipeline = parseTraceql(search.query);
  checkTraceql(search.query, pipeline);
  const mayMatch = columnFilter(index, pipeline);
  const read = traceReader(index).trace;
  const base = index.base();
  const baseSeconds = (base.high * 0x1_0000_0000 + base.low) / 1e9;
  const fields = [...new Map(fieldsOf(pipeline).map((field) => [fieldKey(field), field])).values()];
  const seen = new Set<number>();
  const found: FoundTrace[] = [];
  for (let row = index.spans.last(); row >= index.spans.first(); row--) {
    if (!mayMatch(row)) continue;
    const number = index.spans.columnsOf(row).trace[row & rowMask] as number;
    if (seen.has(number)) continue;
    seen.add(number);
    const trace = read(number);
    if (trace === undefined) continue;
    const start = baseSeconds + trace.start / 1e9;
    if (search.to !== undefined && start > search.to) continue;
    if (search.from !== undefined && start + trace.durationNs / 1e9 < search.from) continue;
    const sets = evaluateTraceql(pipeline, trace.spans);
    if (sets.length === 0) continue;
    found.push({ trace, sets, fields });
    if (found.length >= search.limit) break;
  }
  return { traces: found, inspected: seen.size };
}

/** The spans of a set; the evaluator was given stored ones and returns no others. */
export const storedSpans = (set: FoundSpanset): readonly StoredSpan[] =>
  set.spans as readonly StoredSpan[];

export const fieldKey = (field: FieldReference): string =>
  field.node === "intrinsic" ? field.name : `${field.scope} ${field.name}`;

function fieldsOf(pipeline: Pipeline): readonly FieldReference[] {
  return pipeline.stages.flatMap(ofStage);
}

function ofStage(stage: Stage): readonly FieldReference[] {
  switch (stage.node) {
    case "filter":
    case "combine":
    case "pipeline":
      return ofSpanset(stage);
    case "by":
      return ofExpression(stage.expression);
    case "select":
      return stage.fields;
    case "scalarFilter":
      return [...ofScalar(stage.left), ...ofScalar(stage.right)];
    case "coalesce":
      return [];
  }
}

function ofScalar(scalar: Scalar): readonly FieldReference[] {
  switch (scalar.node) {
    case "static":
      return [];
    case "aggregate":
      return scalar.of === undefined ? [] : ofExpression(scalar.of);
    case "arithmetic":
      return [...ofScalar(scalar.left), ...ofScalar(scalar.right)];
    case "piped":
      return [...fieldsOf(scalar.pipeline), ...ofScalar(scalar.value)];
  }
}

function ofSpanset(spanset: Spanset): readonly FieldReference[] {
  switch (spanset.node) {
    case "filter":
      return spanset.condition === undefined ? [] : ofExpression(spanset.condition);
    case "combine":
      return [...ofSpanset(spanset.left), ...ofSpanset(spanset.right)];
    case "pipeline":
      return fieldsOf(spanset);
  }
}

function ofExpression(expression: FieldExpression): readonly FieldReference[] {
  switch (expression.node) {
    case "static":
      return [];
    case "attribute":
    case "intrinsic":
      return [expression];
    case "unary":
      return ofExpression(expression.operand);
    case "binary":
      return [...ofExpression(expression.left), ...ofExpression(expression.right)];
  }
}
