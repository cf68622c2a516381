import { anyHash, attributeHash } from "./attribute-hash.ts";
import { viewOf } from "./byte-words.ts";
import { rowMask } from "./chunked-table.ts";
import { hashHits } from "./hash-hits.ts";
import { encodeMessage } from "./otlp-encode.ts";
import { keyValue } from "./otlp-schema.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";
import {
  type AttributeScope,
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
  index: StoreIndex,
  field: FieldReference,
  operator: string,
  value: string | number | boolean,
): RowFilter {
  const { spans, names, services } = index;
  if (field.node === "attribute") {
    if (operator !== "=" || field.ofParent) return always;
    const isService = field.scope === "resource" && field.name === "service.name";
    if (!isService) return attributeFilter(index, field.scope, field.name, value);
    const service = services.find(String(value));
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

/** Spans that hold the hash of the attribute, or whose resource holds the attribute. */
function attributeFilter(
  index: StoreIndex,
  scope: AttributeScope,
  name: string,
  value: string | number | boolean,
): RowFilter {
  const { spans, spanGroups } = index;
  if (scope !== "any" && scope !== "span") return always;
  const [first = anyHash, second = first] = hashesOf(name, value);
  const onSpan = hashHits(spans, first, second);
  if (scope === "span") return onSpan;
  // The key alone decides for resources: they are few, and asked once each.
  const key = Buffer.from(name);
  const read = storedBytes(index.log);
  const known = new Map<number, boolean>();
  const onResource = (group: number): boolean => {
    const before = known.get(group);
    if (before !== undefined) return before;
    const columns = spanGroups.columnsOf(group);
    const at = group & rowMask;
    const bytes = read(
      columns.segment[at] as number,
      columns.resourceOffset[at] as number,
      columns.resourceLength[at] as number,
    );
    const found = bytes.includes(key);
    known.set(group, found);
    return found;
  };
  return (row) => onSpan(row) || onResource(spans.columnsOf(row).group[row & rowMask] as number);
}

/** Hashes under which a value may be stored: a whole number also as a float. */
function hashesOf(key: string, value: string | number | boolean): readonly number[] {
  const values: object[] = [];
  if (typeof value === "string") values.push({ stringValue: value });
  else if (typeof value === "boolean") values.push({ boolValue: value });
  else {
    values.push({ doubleValue: value });
    if (Number.isSafeInteger(value)) values.push({ intValue: value });
  }
  return values.map((each) => {
    const bytes = encodeMessage({ key, value: each }, keyValue);
    return attributeHash(viewOf(bytes), 0, bytes.length);
  });
}
