import {
  type FieldExpression,
  intrinsicTypes,
  type Pipeline,
  type Scalar,
  type Spanset,
  type Stage,
  type Static,
  TraceqlError,
} from "./syntax.ts";
import { prepareMatcher } from "./value-pattern.ts";

/** `any`: an attribute, whose type only the data tells. */
type Type = Static["type"] | "any";

const isNumber = (type: Type): boolean => ["int", "float", "duration", "any"].includes(type);
const isBoolean = (type: Type): boolean => type === "boolean" || type === "any";

/** Finds what can be seen to be wrong without data: types and patterns. Throws `TraceqlError`. */
export function checkTraceql(query: string, pipeline: Pipeline): void {
  function fail(at: number, what: string): never {
    throw new TraceqlError(query, at, what);
  }

  function stage(each: Stage): void {
    switch (each.node) {
      case "filter":
      case "combine":
      case "pipeline":
        spanset(each);
        return;
      case "scalarFilter":
        scalar(each.left);
        scalar(each.right);
        return;
      case "by":
        expression(each.expression);
        if (!asksSpan(each.expression))
          fail(each.expression.at, "expected something that differs between spans");
        return;
      case "coalesce":
      case "select":
        return;
    }
  }

  function spanset(each: Spanset): void {
    switch (each.node) {
      case "filter":
        if (each.condition !== undefined && !isBoolean(expression(each.condition)))
          fail(each.condition.at, "expected a condition that is true or false");
        return;
      case "combine":
        spanset(each.left);
        spanset(each.right);
        return;
      case "pipeline":
        for (const inner of each.stages) stage(inner);
        return;
    }
  }

  function scalar(each: Scalar): void {
    switch (each.node) {
      case "static":
        if (!isNumber(each.static.type)) fail(each.at, "expected a number or a duration");
        return;
      case "aggregate":
        if (each.of === undefined) return;
        if (!isNumber(expression(each.of))) fail(each.of.at, "expected a number or a duration");
        if (!asksSpan(each.of)) fail(each.of.at, "expected something that differs between spans");
        return;
      case "arithmetic":
        scalar(each.left);
        scalar(each.right);
        return;
      case "piped":
        spanset(each.pipeline);
        scalar(each.value);
        return;
    }
  }

  function expression(each: FieldExpression): Type {
    switch (each.node) {
      case "static":
        return each.static.type;
      case "attribute":
        return "any";
      case "intrinsic":
        return intrinsicTypes[each.name];
      case "unary": {
        const type = expression(each.operand);
        if (each.operator === "-" && !isNumber(type))
          fail(each.operand.at, 'expected a number after "-"');
        if (each.operator === "!" && !isBoolean(type))
          fail(each.operand.at, 'expected true or false after "!"');
        return each.operator === "-" ? type : "boolean";
      }
      case "binary":
        return binary(each);
    }
  }

  function binary(each: Extract<FieldExpression, { node: "binary" }>): Type {
    const left = expression(each.left);
    const right = expression(each.right);
    switch (each.operator) {
      case "&&":
      case "||":
        if (!isBoolean(left)) fail(each.left.at, "expected a condition that is true or false");
        if (!isBoolean(right)) fail(each.right.at, "expected a condition that is true or false");
        return "boolean";
      case "+":
      case "-":
      case "*":
      case "/":
      case "%":
      case "^":
        if (!isNumber(left)) fail(each.left.at, "expected a number or a duration");
        if (!isNumber(right)) fail(each.right.at, "expected a number or a duration");
        return left === "any" ? right : left;
      case "=~":
      case "!~":
        if (left !== "string" && left !== "any") fail(each.left.at, "expected text");
        if (each.right.node !== "static" || each.right.static.type !== "string")
          fail(each.right.at, "expected a pattern in quotes");
        prepareMatcher(query, each.right);
        return "boolean";
      case "=":
      case "!=":
        if (!isComparable(left, right)) fail(each.at, `${left} and ${right} are never equal`);
        return "boolean";
      case "<":
      case "<=":
      case ">":
      case ">=": {
        const isOrdered = (type: Type): boolean => isNumber(type) || type === "string";
        if (!isOrdered(left) || !isOrdered(right) || !isComparable(left, right))
          fail(each.at, `${left} and ${right} have no order`);
        return "boolean";
      }
    }
  }

  spanset(pipeline);
}

function isComparable(left: Type, right: Type): boolean {
  if (left === "any" || right === "any" || left === "nil" || right === "nil") return true;
  return left === right || (isNumber(left) && isNumber(right));
}

function asksSpan(each: FieldExpression): boolean {
  switch (each.node) {
    case "static":
      return false;
    case "attribute":
    case "intrinsic":
      return true;
    case "unary":
      return asksSpan(each.operand);
    case "binary":
      return asksSpan(each.left) || asksSpan(each.right);
  }
}
