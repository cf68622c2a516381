import type { ScenarioCard } from "#lab/api/scenarios.ts";
import type { Mode } from "#scenarios/mode.ts";
import type { Param, ParamSpec, ParamValue } from "#scenarios/param-spec.ts";

export type ParamValues = Readonly<Record<string, ParamValue>>;

/** What a link to a scenario asks for: `/scenarios/db.n-plus-one?mode=fix&param.n=100`. */
export interface Order {
  readonly mode?: Mode;
  readonly values?: ParamValues;
}

/** Reads the query of such a link. What the scenario does not offer is left out. */
export function orderOf(
  query: URLSearchParams,
  { params, modes }: Pick<ScenarioCard, "params" | "modes">,
): Order {
  const mode = modes.find((name) => name === query.get("mode"));
  const values = Object.fromEntries(
    Object.entries(params).flatMap(([name, param]) => {
      const text = query.get(`param.${name}`);
      if (text === null) return [];
      const value = readValue(param, text);
      return problemOf(param, value) === undefined ? [[name, value]] : [];
    }),
  );
  return { ...(mode === undefined ? {} : { mode }), values };
}

function readValue(param: Param, text: string): ParamValue {
  switch (param.kind) {
    case "integer":
      return text.trim() === "" ? Number.NaN : Number(text);
    case "choice":
      return text;
    case "flag":
      return text === "true";
  }
}

/** What a scenario will be run with next: kept while the page lives, so that going away loses nothing. */
export class Draft {
  mode = $state<Mode>("fault");
  values = $state.raw<ParamValues>({});
  readonly #spec: ParamSpec;

  /** What is wrong with each value; empty when it can run. */
  readonly problems = $derived.by(() => problemsOf(this.#spec, this.values));

  constructor(card: Pick<ScenarioCard, "params" | "modes">, order: Order = {}) {
    this.#spec = card.params;
    this.mode = order.mode ?? card.modes[0] ?? "fault";
    this.values = { ...defaultsOf(card.params), ...order.values };
  }

  set(name: string, value: ParamValue): void {
    this.values = { ...this.values, [name]: value };
  }

  /** True when every value is the scenario's default. */
  get untouched(): boolean {
    return Object.entries(this.#spec).every(([name, param]) => this.values[name] === param.default);
  }

  reset(): void {
    this.values = defaultsOf(this.#spec);
  }
}

const defaultsOf = (spec: ParamSpec): ParamValues =>
  Object.fromEntries(Object.entries(spec).map(([name, param]) => [name, param.default]));

/** One sentence per parameter whose value the lab would refuse. */
export function problemsOf(spec: ParamSpec, values: ParamValues): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(spec).flatMap(([name, param]) => {
      const problem = problemOf(param, values[name]);
      return problem === undefined ? [] : [[name, problem]];
    }),
  );
}

function problemOf(param: Param, value: ParamValue | undefined): string | undefined {
  switch (param.kind) {
    case "integer": {
      const { min, max, step } = param;
      if (typeof value !== "number" || !Number.isInteger(value)) return "Give a whole number.";
      if (value < min || value > max) return `Between ${min} and ${max}.`;
      return (value - min) % step === 0 ? undefined : `In steps of ${step} from ${min}.`;
    }
    case "choice":
      return param.options.includes(String(value)) ? undefined : "Choose one of the options.";
    case "flag":
      return typeof value === "boolean" ? undefined : "Yes or no.";
  }
}

const drafts = new Map<string, Draft>();

/** The draft of a scenario, made on first use; a link that asks for values is answered then. */
export function draftOf(card: Pick<ScenarioCard, "id" | "params" | "modes">): Draft {
  const known = drafts.get(card.id);
  if (known !== undefined) return known;
  const linked = location.pathname === `/scenarios/${card.id}`;
  const draft = new Draft(card, orderOf(new URLSearchParams(linked ? location.search : ""), card));
  drafts.set(card.id, draft);
  return draft;
}

/** The command that runs the same on the command line. */
export function commandOf(id: string, draft: Pick<Draft, "mode" | "values">): string {
  const params = Object.entries(draft.values).map(([name, value]) => ` --param ${name}=${value}`);
  return `npm run lab -- run ${id} --mode ${draft.mode}${params.join("")}`;
}
