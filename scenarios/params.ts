import type { Param, ParamSpec, ParamValue } from "./param-spec.ts";

/** Parameters of one run, complete and within their limits. */
export type ParamValues = Readonly<Record<string, ParamValue>>;

export type ParsedParams =
  | { readonly ok: true; readonly values: ParamValues }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Checks `input` against `spec` and fills in defaults. Unknown names, wrong types and values
 * outside the limits are all reported at once; nothing is clamped silently.
 */
export function parseParams(
  spec: ParamSpec,
  input: Readonly<Record<string, unknown>>,
): ParsedParams {
  const problems: string[] = [];
  const values: Record<string, ParamValue> = Object.create(null);
  const names = Object.keys(spec);
  const known = names.length === 0 ? "there are none" : `there is: ${names.join(", ")}`;
  for (const name of Object.keys(input)) {
    if (!Object.hasOwn(spec, name)) problems.push(`unknown parameter "${name}"; ${known}`);
  }
  for (const [name, param] of Object.entries(spec)) {
    const value = Object.hasOwn(input, name) ? input[name] : param.default;
    const problem = misfit(param, value);
    if (problem === undefined) values[name] = value as ParamValue;
    else problems.push(`${name} ${problem}`);
  }
  return problems.length === 0 ? { ok: true, values: { ...values } } : { ok: false, problems };
}

function misfit(param: Param, value: unknown): string | undefined {
  switch (param.kind) {
    case "integer":
      if (typeof value !== "number" || !Number.isInteger(value)) return "must be a whole number";
      if (value < param.min || value > param.max)
        return `must be from ${param.min} to ${param.max}`;
      if ((value - param.min) % param.step !== 0)
        return `must go up from ${param.min} in steps of ${param.step}`;
      return undefined;
    case "choice":
      return param.options.includes(value as string)
        ? undefined
        : `must be one of ${param.options.join(", ")}`;
    case "flag":
      return typeof value === "boolean" ? undefined : "must be true or false";
  }
}
