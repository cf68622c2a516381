import { rowMask } from "./chunked-table.ts";
import type { StoreIndex } from "./store.ts";
import {
  type FieldExpression,
  type FieldReference,
  kinds,
  type Pipeline,
  type Spanset,
  type Stage,
  statuses,
} from "./traceql/syntax.ts";

/** Whether a row may match; false is certain, true is not. */
export type RowFilter = (row: number) => boolean;

const always: RowFilter = () => true;

/**
 * What the columns alone can say about a query: a trace that matches has at least one row that
 * passes. Spares decoding all others.
 */
export function columnFilter(index: StoreIndex, pipeline: Pipeline): RowFilter {
  // What a pipeline returns has passed its first stage; later stages only take away.
  const [first] = pipeline.stages;
  return first === undefined ? always : stageFilter(index, first);
}

function stageFilter(index: StoreIndex, stage: Stage): RowFilter {
  switch (stage.node) {
    case "filter":
    case "combine":
    case "pipeline":
      return spansetFilter(index, stage);
    case "scalarFilter":
    case "by":
    case "coalesce":
    case "select":
      return always;
  }
}

function spansetFilter(index: StoreIndex, spanset: Spanset): RowFilter {
  switch (spanset.node) {
    case "filter":
      return spanset.condition === undefined ? always : condition(index, spanset.condition);
    case "combine": {
      const right = spansetFilter(index, spanset.right);
      // Only || can hold without a span that its right side found.
      return spanset.operator === "||" ? either(spansetFilter(index, spanset.left), right) : right;
    }
    case "pipeline":
      return columnFilter(index, spanset);
  }
}

function either(a: RowFilter, b: RowFilter): RowFilter {
  if (a === always || b === always) return always;
  return (row) => a(row) || b(row);
}

function both(a: RowFilter, b: RowFilter): RowFilter {
  if (a === always) return b;
  if (b === always) return a;
  return (row) => a(row) && b(row);
}

function condition(index: StoreIndex, expression: FieldExpression): RowFilter {
  if (expression.node !== "binary") return always;
  const { operator, left, right } = expression;
  if (operator === "&&") return both(condition(index, left), condition(index, right));
  if (operator === "||") return either(condition(index, left), condition(index, right));
  if (right.node !== "static" || (left.node !== "intrinsic" && left.node !== "attribute"))
    return always;
  const { static: value } = right;
  if (value.type === "nil") return always;
  return comparison(index, left, operator, value.value);
}

function comparison(
  { spans, names, services }: StoreIndex,
  field: FieldReference,
  operator: string,
  value: string | number | boolean,
): RowFilter {
  if (field.node === "attribute") {
    const isService = field.scope === "resource" && field.name === "service.name";
    if (!isService || field.ofParent || operator !== "=" || typeof value !== "string")
      return always;
    const service = services.find(value);
    if (service === undefined) return () => false;
    return (row) => spans.columnsOf(row).service[row & rowMask] === service;
  }
  if (field.name === "name" && operator === "=" && typeof value === "string") {
    const name = names.find(value);
    // 0: the name was too many to keep, only its bytes tell.
    return (row) => {
      const id = spans.columnsOf(row).name[row & rowMask];
      return id === name || id === 0;
    };
  }
  if (field.name === "status" && (operator === "=" || operator === "!=")) {
    const code = (statuses as readonly unknown[]).indexOf(value);
    const wanted = operator === "=";
    return (row) => (spans.columnsOf(row).status[row & rowMask] === code) === wanted;
  }
  if (field.name === "kind" && (operator === "=" || operator === "!=")) {
    const code = (kinds as readonly unknown[]).indexOf(value);
    const wanted = operator === "=";
    return (row) => (spans.columnsOf(row).kind[row & rowMask] === code) === wanted;
  }
  if (field.name === "duration" && typeof value === "number")
    return durationFilter(spans.columnsOf, operator, value);
  return always;
}

function durationFilter(
  columnsOf: StoreIndex["spans"]["columnsOf"],
  operator: string,
  value: number,
): RowFilter {
  const duration = (row: number): number => columnsOf(row).duration[row & rowMask] as number;
  switch (operator) {
    case ">":
      return (row) => duration(row) > value;
    case ">=":
      return (row) => duration(row) >= value;
    case "<":
      return (row) => duration(row) < value;
    case "<=":
      return (row) => duration(row) <= value;
    case "=":
      return (row) => duration(row) === value;
    default:
      return always;
  }
}
