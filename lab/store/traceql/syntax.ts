/**
 * A TraceQL query as data (https://grafana.com/docs/tempo/latest/traceql/construct-traceql-queries/).
 * `at` is where the node begins in the query, counted in characters from 0.
 */
export type Static =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "int" | "float"; readonly value: number }
  /** Nanoseconds. */
  | { readonly type: "duration"; readonly value: number }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "nil" }
  | { readonly type: "status"; readonly value: Status }
  | { readonly type: "kind"; readonly value: Kind };

export const statuses = ["unset", "ok", "error"] as const;
export type Status = (typeof statuses)[number];
export const kinds = [
  "unspecified",
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
] as const;
export type Kind = (typeof kinds)[number];

/** `any`: the span's own attribute, else the resource's. */
export type AttributeScope = "any" | "span" | "resource" | "event" | "link" | "instrumentation";

export const intrinsicTypes = {
  name: "string",
  kind: "kind",
  status: "status",
  statusMessage: "string",
  duration: "duration",
  traceDuration: "duration",
  rootName: "string",
  rootServiceName: "string",
  childCount: "int",
  nestedSetLeft: "int",
  nestedSetRight: "int",
  nestedSetParent: "int",
  "span:id": "string",
  "span:parentID": "string",
  "trace:id": "string",
  "event:name": "string",
  "event:timeSinceStart": "duration",
  "link:traceID": "string",
  "link:spanID": "string",
  "instrumentation:name": "string",
  "instrumentation:version": "string",
} as const;
export type Intrinsic = keyof typeof intrinsicTypes;

/** Scoped spellings of intrinsics that have a bare one, too. */
export const scopedIntrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ["span:name", "name"],
  ["span:kind", "kind"],
  ["span:status", "status"],
  ["span:statusMessage", "statusMessage"],
  ["span:duration", "duration"],
  ["span:childCount", "childCount"],
  ["trace:duration", "traceDuration"],
  ["trace:rootName", "rootName"],
  ["trace:rootService", "rootServiceName"],
  ...Object.keys(intrinsicTypes).map((name): [string, Intrinsic] => [name, name as Intrinsic]),
]);

export type Comparison = "=" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~";
export type Arithmetic = "+" | "-" | "*" | "/" | "%" | "^";
export type BinaryOperator = Comparison | Arithmetic | "&&" | "||";

/** Binding strength inside a filter, as in Tempo's grammar. */
export const precedence: Readonly<Record<BinaryOperator, number>> = {
  "&&": 1,
  "||": 1,
  "=": 2,
  "!=": 2,
  "<": 2,
  "<=": 2,
  ">": 2,
  ">=": 2,
  "=~": 2,
  "!~": 2,
  "+": 3,
  "-": 3,
  "*": 4,
  "/": 4,
  "%": 4,
  "^": 5,
};

export type FieldReference =
  | {
      readonly node: "attribute";
      readonly scope: AttributeScope;
      /** Asks the span's parent. */
      readonly ofParent: boolean;
      readonly name: string;
      readonly at: number;
    }
  | { readonly node: "intrinsic"; readonly name: Intrinsic; readonly at: number };

export type FieldExpression =
  | FieldReference
  | { readonly node: "static"; readonly static: Static; readonly at: number }
  | {
      readonly node: "unary";
      readonly operator: "-" | "!";
      readonly operand: FieldExpression;
      readonly at: number;
    }
  | {
      readonly node: "binary";
      readonly operator: BinaryOperator;
      readonly left: FieldExpression;
      readonly right: FieldExpression;
      readonly at: number;
    };

const relations = [">", ">>", "<", "<<", "~"] as const;
export type Relation = (typeof relations)[number];
export type SpansetOperator = "&&" | "||" | Relation | `!${Relation}` | `&${Relation}`;
export const spansetOperators: ReadonlySet<string> = new Set([
  "&&",
  "||",
  ...relations.flatMap((relation) => [relation, `!${relation}`, `&${relation}`]),
]);

export type Spanset =
  | { readonly node: "filter"; readonly condition: FieldExpression | undefined }
  | {
      readonly node: "combine";
      readonly operator: SpansetOperator;
      readonly left: Spanset;
      readonly right: Spanset;
    }
  | Pipeline;

export const aggregates = ["count", "avg", "min", "max", "sum"] as const;
export type Aggregate = (typeof aggregates)[number];

export type Scalar =
  | { readonly node: "static"; readonly static: Static; readonly at: number }
  | {
      readonly node: "aggregate";
      readonly function: Aggregate;
      readonly of: FieldExpression | undefined;
      readonly at: number;
    }
  | {
      readonly node: "arithmetic";
      readonly operator: Arithmetic;
      readonly left: Scalar;
      readonly right: Scalar;
      readonly at: number;
    }
  /** An aggregate over what a pipeline of its own found. */
  | {
      readonly node: "piped";
      readonly pipeline: Pipeline;
      readonly value: Scalar;
      readonly at: number;
    };

export type Stage =
  | Spanset
  | {
      readonly node: "scalarFilter";
      readonly operator: Comparison;
      readonly left: Scalar;
      readonly right: Scalar;
    }
  | { readonly node: "by"; readonly expression: FieldExpression }
  | { readonly node: "coalesce" }
  | { readonly node: "select"; readonly fields: readonly FieldReference[] };

export interface Pipeline {
  readonly node: "pipeline";
  readonly stages: readonly Stage[];
}

/** What is wrong with a query, and where. */
export class TraceqlError extends Error {
  override readonly name = "TraceqlError";
  /** Characters from 0. */
  readonly at: number;

  constructor(query: string, at: number, what: string) {
    const before = query.slice(0, at).split("\n");
    const column = (before.at(-1)?.length ?? 0) + 1;
    super(`line ${before.length}, column ${column}: ${what}`);
    this.at = at;
  }
}
