import { formatDuration } from "./duration-text.ts";
import { type FieldExpression, intrinsicTypes, type Static } from "./syntax.ts";

/** The expression as Tempo names it in an answer. */
export function textOfExpression(expression: FieldExpression): string {
  switch (expression.node) {
    case "static":
      return textOfStatic(expression.static);
    case "attribute": {
      const scope = expression.scope === "any" ? "" : expression.scope;
      return `${expression.ofParent ? "parent." : ""}${scope}.${expression.name}`;
    }
    case "intrinsic":
      return expression.name;
    case "unary":
      return `${expression.operator}${textOfOperand(expression.operand)}`;
    case "binary": {
      const { operator, left, right } = expression;
      return `${textOfOperand(left)} ${operator} ${textOfOperand(right)}`;
    }
  }
}

function textOfOperand(operand: FieldExpression): string {
  const text = textOfExpression(operand);
  return operand.node === "binary" || operand.node === "unary" ? `(${text})` : text;
}

function textOfStatic(value: Static): string {
  switch (value.type) {
    case "nil":
      return "nil";
    case "string":
      return `\`${value.value}\``;
    case "duration":
      return formatDuration(value.value);
    case "int":
    case "float":
    case "boolean":
    case "status":
    case "kind":
      return String(value.value);
  }
}

/** What kind of value it has; undefined when only the spans can tell. */
export function typeOfExpression(expression: FieldExpression): string | undefined {
  switch (expression.node) {
    case "static":
      return expression.static.type;
    case "attribute":
      return undefined;
    case "intrinsic":
      return intrinsicTypes[expression.name];
    case "unary":
      return typeOfExpression(expression.operand);
    case "binary":
      return typeOfExpression(expression.left) ?? typeOfExpression(expression.right);
  }
}
