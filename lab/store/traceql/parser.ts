import { type Token, tokenize } from "./lexer.ts";
import { fieldOf, literalOf } from "./operand.ts";
import {
  type Aggregate,
  type Arithmetic,
  aggregates,
  type BinaryOperator,
  type Comparison,
  type FieldExpression,
  type FieldReference,
  type Pipeline,
  precedence,
  type Scalar,
  type Spanset,
  type SpansetOperator,
  type Stage,
  type Static,
  spansetOperators,
  TraceqlError,
} from "./syntax.ts";

/** Metrics functions of TraceQL: understood well enough to be refused with the right words. */
const metricsFunctions: ReadonlySet<string> = new Set([
  "rate",
  "count_over_time",
  "min_over_time",
  "max_over_time",
  "avg_over_time",
  "sum_over_time",
  "quantile_over_time",
  "histogram_over_time",
  "compare",
  "topk",
  "bottomk",
]);

const comparisons: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">="]);
/** Deepest nesting of parentheses and operators. */
const maxDepth = 100;

/** A pipeline in parentheses turned out to end in a number: the whole is a comparison of numbers. */
class EndsInScalar extends Error {}

/** Reads a query. Throws `TraceqlError` with position and what was expected. */
export function parseTraceql(query: string): Pipeline {
  const tokens = tokenize(query);
  let next = 0;
  let depth = 0;
  /** The query turned out to begin with a number in parentheses. */
  let comparesScalars = false;

  const peek = (): Token => tokens[next] as Token;
  const take = (): Token => tokens[next++] as Token;
  const isNext = (...texts: readonly string[]): boolean => {
    const { kind, text } = peek();
    return (kind === "punctuation" || kind === "word") && texts.includes(text);
  };
  const skip = (text: string): boolean => {
    if (!isNext(text)) return false;
    next++;
    return true;
  };
  function fail(expected: string, { at, kind, text }: Token = peek()): never {
    const found = kind === "end" ? "the end of the query" : JSON.stringify(text);
    throw new TraceqlError(query, at, `expected ${expected}, found ${found}`);
  }
  const expect = (text: string): void => {
    if (!skip(text)) fail(JSON.stringify(text));
  };
  function deeper<T>(parse: () => T): T {
    if (++depth > maxDepth) throw new TraceqlError(query, peek().at, "nested too deep");
    const result = parse();
    depth--;
    return result;
  }

  function root(): Pipeline {
    try {
      return finish(pipeline());
    } catch (error) {
      if (!(error instanceof EndsInScalar)) throw error;
      next = 0;
      depth = 0;
      comparesScalars = true;
      return finish({ node: "pipeline", stages: following(scalarFilter()) });
    }
  }
  function finish(parsed: Pipeline): Pipeline {
    if (skip("with")) hints();
    if (peek().kind !== "end") fail('"|" or the end of the query');
    return parsed;
  }
  /** `with (most_recent=true)`: advice for Tempo's storage, without a meaning here. */
  function hints(): void {
    expect("(");
    while (!isNext(")") && peek().kind !== "end") next++;
    expect(")");
  }

  function pipeline(): Pipeline {
    return { node: "pipeline", stages: following(stage(true)) };
  }

  function following(first: Stage): readonly Stage[] {
    const stages = [first];
    while (skip("|")) stages.push(stage(false));
    return stages;
  }

  function stage(isFirst: boolean): Stage {
    const token = peek();
    if (token.kind === "word") {
      if (metricsFunctions.has(token.text))
        throw new TraceqlError(
          query,
          token.at,
          `the metrics function ${token.text}() is not supported: this store answers searches, not metrics queries`,
        );
      if (skip("by")) return { node: "by", expression: inParentheses(expression) };
      if (!isFirst && skip("coalesce")) {
        expect("(");
        expect(")");
        return { node: "coalesce" };
      }
      if (skip("select")) return { node: "select", fields: inParentheses(fieldList) };
      if (isAggregate(token.text)) return scalarFilter();
      fail("a spanset filter or a pipeline function");
    }
    if (token.kind === "int" || token.kind === "float" || token.kind === "duration")
      return scalarFilter();
    return spanset();
  }

  function inParentheses<T>(parse: () => T): T {
    expect("(");
    const result = deeper(parse);
    expect(")");
    return result;
  }

  function spanset(): Spanset {
    let left = spansetOperand();
    // All of these bind alike, from the left.
    while (peek().kind === "punctuation" && spansetOperators.has(peek().text)) {
      const operator = take().text as SpansetOperator;
      left = { node: "combine", operator, left, right: spansetOperand() };
    }
    return left;
  }

  function spansetOperand(): Spanset {
    if (isNext("(")) {
      const inner = inParentheses(pipeline);
      const [only] = inner.stages;
      const isSpanset =
        only?.node === "filter" || only?.node === "combine" || only?.node === "pipeline";
      return inner.stages.length === 1 && isSpanset ? only : inner;
    }
    if (!skip("{")) fail('"{" or "("');
    if (skip("}")) return { node: "filter", condition: undefined };
    const condition = deeper(expression);
    if (!skip("}")) fail('an operator or "}"');
    return { node: "filter", condition };
  }

  const isAggregate = (text: string): text is Aggregate =>
    (aggregates as readonly string[]).includes(text);

  function scalarFilter(): Stage {
    const left = scalar(3);
    if (!(peek().kind === "punctuation" && comparisons.has(peek().text))) {
      if (isNext(")") && depth > 0 && !comparesScalars) throw new EndsInScalar();
      fail("a comparison");
    }
    const operator = take().text as Comparison;
    return { node: "scalarFilter", operator, left, right: scalar(3) };
  }

  function scalar(least: number): Scalar {
    let left = scalarOperand();
    for (;;) {
      const { text, kind, at } = peek();
      const strength = kind === "punctuation" ? precedence[text as BinaryOperator] : undefined;
      if (strength === undefined || strength < least) return left;
      next++;
      const right = deeper(() => scalar(text === "^" ? strength : strength + 1));
      left = { node: "arithmetic", operator: text as Arithmetic, left, right, at };
    }
  }

  function scalarOperand(): Scalar {
    const token = peek();
    if (token.kind === "word" && isAggregate(token.text)) {
      next++;
      expect("(");
      const of = token.text === "count" ? undefined : deeper(expression);
      expect(")");
      return { node: "aggregate", function: token.text, of, at: token.at };
    }
    if (isNext("(")) return inParentheses(() => pipedScalar(token.at));
    if (skip("-")) {
      const zero: Scalar = { node: "static", static: { type: "int", value: 0 }, at: token.at };
      return {
        node: "arithmetic",
        operator: "-",
        left: zero,
        right: scalarOperand(),
        at: token.at,
      };
    }
    const value = literal();
    if (value === undefined) fail("a number or an aggregate such as count()");
    return { node: "static", static: value, at: token.at };
  }

  /** What stands in parentheses among numbers: numbers again, or a pipeline that ends in one. */
  function pipedScalar(at: number): Scalar {
    if (!isNext("{", "(", "by", "select")) return scalar(3);
    const stages: Stage[] = [stage(true)];
    for (;;) {
      if (!skip("|")) fail('"|" and an aggregate');
      const start = next;
      const token = peek();
      if (token.kind === "word" && isAggregate(token.text)) {
        const value = scalar(3);
        if (isNext(")"))
          return { node: "piped", pipeline: { node: "pipeline", stages }, value, at };
        next = start;
      }
      stages.push(stage(false));
    }
  }

  function expression(): FieldExpression {
    return binary(1);
  }

  function binary(least: number): FieldExpression {
    let left = unary();
    for (;;) {
      const { text, kind, at } = peek();
      const strength = kind === "punctuation" ? precedence[text as BinaryOperator] : undefined;
      if (strength === undefined || strength < least) return left;
      next++;
      const right = deeper(() => binary(text === "^" ? strength : strength + 1));
      left = { node: "binary", operator: text as BinaryOperator, left, right, at };
    }
  }

  function unary(): FieldExpression {
    const { at } = peek();
    if (skip("-")) return { node: "unary", operator: "-", operand: deeper(() => binary(4)), at };
    if (skip("!")) return { node: "unary", operator: "!", operand: deeper(() => binary(4)), at };
    if (isNext("(")) return inParentheses(expression);
    const reference = field();
    if (reference !== undefined) return reference;
    const value = literal();
    if (value === undefined) fail("an attribute, an intrinsic or a value");
    return { node: "static", static: value, at };
  }

  function fieldList(): readonly FieldReference[] {
    const fields: FieldReference[] = [];
    do {
      const reference = field();
      if (reference === undefined) fail("an attribute or an intrinsic");
      fields.push(reference);
    } while (skip(","));
    return fields;
  }

  function field(): FieldReference | undefined {
    const found = fieldOf(peek());
    if (found !== undefined) next++;
    return found;
  }

  function literal(): Static | undefined {
    const found = literalOf(peek());
    if (found !== undefined) next++;
    return found;
  }

  return root();
}
