import type { Aggregate, Arithmetic } from "./syntax.ts";

/** Undefined when there is no value. */
export function aggregate(name: Aggregate, values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const total = (): number => values.reduce((sum, value) => sum + value, 0);
  switch (name) {
    case "count":
      return values.length;
    case "sum":
      return total();
    case "avg":
      return total() / values.length;
    case "min":
      return values.reduce((least, value) => Math.min(least, value));
    case "max":
      return values.reduce((most, value) => Math.max(most, value));
  }
}

export function calculate(operator: Arithmetic, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
    case "^":
      return a ** b;
  }
}
