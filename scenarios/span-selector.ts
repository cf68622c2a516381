import type { ParamValue } from "./param-spec.ts";

/**
 * A literal to equal, or a comparison. Strings may hold `${params.x}`; a string of the form
 * `2*${params.n}` or `${params.n}+1` stands for the computed number.
 */
export type Comparison =
  | ParamValue
  | {
      readonly eq?: ParamValue;
      readonly ne?: ParamValue;
      readonly gt?: number | string;
      readonly gte?: number | string;
      readonly lt?: number | string;
      readonly lte?: number | string;
      readonly in?: readonly ParamValue[];
      /** Regular expression, at most 200 characters. */
      readonly matches?: string;
      readonly exists?: boolean;
    };
export type AttributeComparisons = Readonly<Record<string, Comparison>>;

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";
export type SpanStatus = "unset" | "ok" | "error";

/** Which spans are meant. Every given predicate has to hold. */
export interface SpanSelector {
  readonly name?: Comparison;
  readonly service?: Comparison;
  readonly kind?: SpanKind;
  readonly status?: SpanStatus;
  readonly attributes?: AttributeComparisons;
  readonly resource?: AttributeComparisons;
  /** Milliseconds from start to end. */
  readonly durationMs?: Comparison;
  /** Milliseconds not covered by any child. */
  readonly selfTimeMs?: Comparison;
  /** An exception on the span, recorded as span event or as a log record of this span. */
  readonly exception?: { readonly type?: Comparison; readonly message?: Comparison };
  readonly childOf?: SpanSelector;
  readonly descendantOf?: SpanSelector;
  readonly noParent?: true;
  readonly linksTo?: SpanSelector;
}
