import type { Expectation } from "#scenarios/expectation.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";

type Params = Readonly<Record<string, ParamValue>>;

const reference = /\$\{params\.([A-Za-z_$][\w$]*)\}/g;
const computed =
  /^\s*(?:(\d+(?:\.\d+)?)\s*\*\s*)?\$\{params\.([A-Za-z_$][\w$]*)\}(?:\s*([+-])\s*(\d+(?:\.\d+)?))?\s*$/;

/**
 * A text with its placeholders filled in. `${params.n}` alone takes the parameter's own type;
 * `2*${params.n}`, `${params.n}+1` and both together are computed; anything else stays text. What
 * cannot be filled in is left as written.
 */
export function fillIn(text: string, params: Params): ParamValue {
  const [whole, factor, name, sign, addend] = computed.exec(text) ?? [];
  if (whole !== undefined && name !== undefined && Object.hasOwn(params, name)) {
    const value = params[name];
    if (value === undefined) return text;
    if (factor === undefined && addend === undefined) return value;
    if (typeof value !== "number") return text;
    const product = value * Number(factor ?? 1);
    const sum = sign === "-" ? product - Number(addend ?? 0) : product + Number(addend ?? 0);
    // 0.7 × 1,400 is 979.9999999999999 in binary.
    return Number(sum.toPrecision(12));
  }
  return text.replace(reference, (written, key: string) =>
    Object.hasOwn(params, key) ? String(params[key]) : written,
  );
}

/** What a text refers to, and whether it computes with it. */
export function referencesIn(text: string): { names: readonly string[]; computes: boolean } {
  const [whole, factor, , , addend] = computed.exec(text) ?? [];
  return {
    names: [...text.matchAll(reference)].flatMap(([, name]) => (name === undefined ? [] : [name])),
    computes: whole !== undefined && (factor !== undefined || addend !== undefined),
  };
}

/** In a regular expression, a parameter stands for its text, not for a pattern. */
const fillInPattern = (source: string, params: Params): string =>
  source.replace(reference, (written, key: string) =>
    Object.hasOwn(params, key)
      ? String(params[key]).replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")
      : written,
  );

/** The expectation as it stands for one run: every comparison holds plain values. */
export const resolve = (expectation: Expectation, params: Params): Expectation =>
  filled(expectation, params, "") as Expectation;

function filled(value: unknown, params: Params, key: string): unknown {
  if (typeof value === "string") {
    if (key === "why" || key === "hint") return value;
    return key === "matches" ? fillInPattern(value, params) : fillIn(value, params);
  }
  if (Array.isArray(value)) return value.map((item) => filled(item, params, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, filled(item, params, name)]),
  );
}
