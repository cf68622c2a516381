import { textOfExpression, typeOfExpression } from "./expression-text.ts";
import { aggregate, calculate } from "./numbers.ts";
import type { QuerySpan, Value } from "./query-span.ts";
import { combine, union } from "./relations.ts";
import {
  type Comparison,
  type FieldExpression,
  type FieldReference,
  intrinsicTypes,
  type Pipeline,
  type Scalar,
  type Spanset,
  type Stage,
  type Static,
} from "./syntax.ts";
import { matchesValue } from "./value-pattern.ts";

/** Spans of one trace that a query found together. */
export interface FoundSpanset {
  readonly spans: readonly QuerySpan[];
  /** What the pipeline computed of them: values of aggregates and of `by`, in its order. */
  readonly notes: readonly SpansetNote[];
}

export interface SpansetNote {
  /** As written in the query, e.g. `avg(duration)` or `by(name)`. */
  readonly key: string;
  readonly value: Value;
  readonly type: "duration" | "float" | "as it is";
}

/** Runs a checked query over the spans of one trace. Empty when the trace does not match. */
export function evaluateTraceql(
  pipeline: Pipeline,
  spans: readonly QuerySpan[],
): readonly FoundSpanset[] {
  return runPipeline(pipeline, [{ spans, notes: [] }]);
}

function runPipeline(
  { stages }: Pipeline,
  input: readonly FoundSpanset[],
): readonly FoundSpanset[] {
  return stages.reduce(
    (sets, stage) => runStage(stage, sets).filter((set) => set.spans.length > 0),
    input,
  );
}

function runStage(stage: Stage, sets: readonly FoundSpanset[]): readonly FoundSpanset[] {
  switch (stage.node) {
    case "filter":
    case "combine":
      return sets.map((set) => ({ ...set, spans: runSpanset(stage, set.spans) }));
    case "pipeline":
      return runPipeline(stage, sets);
    case "scalarFilter":
      return sets.flatMap((set) => {
        const { spans, notes } = set;
        const left = scalarValue(stage.left, spans);
        const right = scalarValue(stage.right, spans);
        if (left === undefined || right === undefined) return [];
        if (!holds(stage.operator, left, right)) return [];
        if (stage.left.node !== "aggregate") return [set];
        const { of } = stage.left;
        const key = `${stage.left.function}(${of === undefined ? "" : textOfExpression(of)})`;
        const isDuration = of !== undefined && typeOfExpression(of) === "duration";
        const isAverage = stage.left.function === "avg";
        const type = isDuration ? "duration" : isAverage ? "float" : "as it is";
        return [{ spans, notes: [...notes, { key, value: left, type }] }];
      });
    case "by":
      return sets.flatMap((set) => groupBy(stage.expression, set));
    case "coalesce":
      return [{ spans: union(sets.flatMap(({ spans }) => spans)), notes: [] }];
    case "select":
      return sets;
  }
}

function groupBy(expression: FieldExpression, { spans, notes }: FoundSpanset): FoundSpanset[] {
  const groups = new Map<Value | undefined, QuerySpan[]>();
  for (const span of spans) {
    const [value] = valuesOf(expression, span);
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [span]);
    else group.push(span);
  }
  const key = `by(${textOfExpression(expression)})`;
  const type = typeOfExpression(expression) === "duration" ? "duration" : "as it is";
  return [...groups].map(([value = "nil", group]) => ({
    spans: group,
    notes: [...notes, { key, value, type }],
  }));
}

function runSpanset(set: Spanset, spans: readonly QuerySpan[]): readonly QuerySpan[] {
  switch (set.node) {
    case "filter": {
      const { condition } = set;
      return condition === undefined ? spans : spans.filter((span) => isTrue(condition, span));
    }
    case "combine":
      return combine(set.operator, runSpanset(set.left, spans), runSpanset(set.right, spans));
    case "pipeline":
      return union(runPipeline(set, [{ spans, notes: [] }]).flatMap((found) => found.spans));
  }
}

function scalarValue(scalar: Scalar, spans: readonly QuerySpan[]): number | undefined {
  switch (scalar.node) {
    case "static":
      return staticValues(scalar.static).find((value) => typeof value === "number");
    case "arithmetic": {
      const left = scalarValue(scalar.left, spans);
      const right = scalarValue(scalar.right, spans);
      return left === undefined || right === undefined
        ? undefined
        : calculate(scalar.operator, left, right);
    }
    case "piped":
      return scalarValue(scalar.value, runSpanset(scalar.pipeline, spans));
    case "aggregate": {
      const { of } = scalar;
      if (of === undefined) return spans.length;
      const values = spans.flatMap((span) =>
        valuesOf(of, span).filter((value) => typeof value === "number"),
      );
      return aggregate(scalar.function, values);
    }
  }
}

const isTrue = (condition: FieldExpression, span: QuerySpan): boolean =>
  valuesOf(condition, span).some((value) => value === true);

/** Values of an expression at a span; none when the span does not have what it asks. */
function valuesOf(expression: FieldExpression, span: QuerySpan): readonly Value[] {
  switch (expression.node) {
    case "static":
      return staticValues(expression.static);
    case "attribute":
    case "intrinsic":
      return fieldValues(expression, span);
    case "unary": {
      const values = valuesOf(expression.operand, span);
      if (expression.operator === "!")
        return values.flatMap((value) => (typeof value === "boolean" ? [!value] : []));
      return values.flatMap((value) => (typeof value === "number" ? [-value] : []));
    }
    case "binary":
      return binaryValues(expression, span);
  }
}

export function fieldValues(field: FieldReference, span: QuerySpan): readonly Value[] {
  if (field.node === "intrinsic") return span.intrinsic(field.name);
  const owner = field.ofParent ? span.parent : span;
  return owner?.attribute(field.scope, field.name) ?? [];
}

const staticValues = (value: Static): readonly Value[] =>
  value.type === "nil" ? [] : [value.value];

function binaryValues(
  { operator, left, right }: Extract<FieldExpression, { node: "binary" }>,
  span: QuerySpan,
): readonly Value[] {
  switch (operator) {
    case "&&":
      return [isTrue(left, span) && isTrue(right, span)];
    case "||":
      return [isTrue(left, span) || isTrue(right, span)];
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
    case "^": {
      const [a] = valuesOf(left, span);
      const [b] = valuesOf(right, span);
      if (typeof a !== "number" || typeof b !== "number") return [];
      const value = calculate(operator, a, b);
      const cuts = operator === "/" && isInt(left, span) && isInt(right, span);
      return [cuts ? Math.trunc(value) : value];
    }
    case "=":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "=~":
    case "!~":
      return [compares(operator, left, right, span)];
  }
}

/** Whether the number it has is a whole one by its type. */
function isInt(expression: FieldExpression, span: QuerySpan): boolean {
  switch (expression.node) {
    case "static":
      return expression.static.type === "int";
    case "intrinsic":
      return intrinsicTypes[expression.name] === "int";
    case "attribute": {
      const owner = expression.ofParent ? span.parent : span;
      return owner?.isFloat(expression.scope, expression.name) === false;
    }
    case "unary":
      return isInt(expression.operand, span);
    case "binary":
      return isInt(expression.left, span) && isInt(expression.right, span);
  }
}

const isNil = (expression: FieldExpression): boolean =>
  expression.node === "static" && expression.static.type === "nil";

/** A field that is not there equals nil and nothing else, and differs from nothing but nil. */
function compares(
  operator: Comparison,
  left: FieldExpression,
  right: FieldExpression,
  span: QuerySpan,
): boolean {
  const a = valuesOf(left, span);
  const b = valuesOf(right, span);
  if (isNil(left) || isNil(right)) {
    const bothMissing = a.length === 0 && b.length === 0;
    return operator === "=" ? bothMissing : operator === "!=" && !bothMissing;
  }
  if (operator === "=~" || operator === "!~") {
    const texts = a.filter((value) => typeof value === "string");
    if (operator === "=~") return texts.some((text) => matchesValue(right, text));
    return (
      a.length > 0 && texts.length === a.length && !texts.some((text) => matchesValue(right, text))
    );
  }
  if (operator === "!=")
    return a.length > 0 && b.length > 0 && a.every((x) => b.every((y) => holds(operator, x, y)));
  return a.some((x) => b.some((y) => holds(operator, x, y)));
}

function holds(operator: Comparison, a: Value, b: Value): boolean {
  if (typeof a !== typeof b) return false;
  switch (operator) {
    case "=":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
    case "=~":
    case "!~":
      // `compares` has taken the texts; what comes here is a number, which matches no pattern.
      return false;
  }
}
