interface ParamWords {
  readonly label: string;
  /** What is worth knowing before it is changed: what it does, why its limits are where they are. */
  readonly help?: string;
}
export interface IntegerParam extends ParamWords {
  readonly kind: "integer";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Unit shown behind the value, e.g. `ms`, `rows`. */
  readonly unit?: string;
}
export interface ChoiceParam<V extends string = string> extends ParamWords {
  readonly kind: "choice";
  readonly default: V;
  readonly options: readonly V[];
}
export interface FlagParam extends ParamWords {
  readonly kind: "flag";
  readonly default: boolean;
}
export type Param = IntegerParam | ChoiceParam | FlagParam;
export type ParamSpec = Readonly<Record<string, Param>>;
export type ParamValue = number | string | boolean;
/** The value type of one parameter: what `serve` receives. */
export type ValueOf<P extends Param> = P extends IntegerParam
  ? number
  : P extends ChoiceParam<infer V>
    ? V
    : boolean;
export type ValuesOf<S extends ParamSpec> = { readonly [K in keyof S]: ValueOf<S[K]> };

export const integer = (
  param: Omit<IntegerParam, "kind" | "step"> & { step?: number },
): IntegerParam => ({
  kind: "integer",
  step: 1,
  ...param,
});
export const choice = <const V extends string>(
  param: Omit<ChoiceParam<V>, "kind">,
): ChoiceParam<V> => ({
  kind: "choice",
  ...param,
});
export const flag = (param: Omit<FlagParam, "kind">): FlagParam => ({ kind: "flag", ...param });
