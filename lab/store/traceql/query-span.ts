import type { AttributeScope, Intrinsic } from "./syntax.ts";

/** What a field can hold. Status and kind are their names; numbers of durations are nanoseconds. */
export type Value = string | number | boolean;

/** A span as the evaluator asks for it. Attributes may be decoded only when asked. */
export interface QuerySpan {
  readonly parent: QuerySpan | undefined;
  readonly children: readonly QuerySpan[];
  readonly intrinsic: (name: Intrinsic) => readonly Value[];
  /** All values that the scope holds under the name: an array has many, events and links may have many. */
  readonly attribute: (scope: AttributeScope, name: string) => readonly Value[];
  /** Whether the attribute is sent as a floating point number, as `2.0` may be: then `/` does not cut. */
  readonly isFloat: (scope: AttributeScope, name: string) => boolean;
}
