import { parseArgs } from "node:util";
import { type JudgeChoice, judgeChoices } from "#lab/api/run-request.ts";
import { type RuntimeName, runtimeNames } from "#lab/state/runtime-choice.ts";
import { type Mode, modes } from "#scenarios/mode.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";

/** How a start behaves; the same for the foreground, `--detach` and `dev`. */
export interface StartOptions {
  /** Undefined: the one that was last asked for here. */
  readonly runtime: RuntimeName | undefined;
  readonly open: boolean;
}

/** What the user asked for, with every default filled in. */
export type Command =
  | { readonly verb: "help" }
  | ({
      readonly verb: "start";
      readonly untilReady: boolean;
      readonly token: boolean;
    } & StartOptions)
  | ({ readonly verb: "detach"; readonly token: boolean } & StartOptions)
  | ({ readonly verb: "dev" } & StartOptions)
  | { readonly verb: "down"; readonly json: boolean }
  | { readonly verb: "status"; readonly json: boolean }
  | { readonly verb: "open" }
  | { readonly verb: "doctor"; readonly json: boolean }
  | { readonly verb: "logs"; readonly service: string; readonly follow: boolean }
  | { readonly verb: "list"; readonly json: boolean }
  | { readonly verb: "schema" }
  | {
      readonly verb: "run";
      readonly scenario: string;
      readonly mode: Mode;
      readonly params: Readonly<Record<string, ParamValue>>;
      readonly seed: number | undefined;
      readonly judge: JudgeChoice | undefined;
      readonly json: boolean;
    }
  | {
      readonly verb: "verify";
      /** All of them when empty. */
      readonly scenarios: readonly string[];
      readonly selfTest: boolean;
      readonly strict: boolean;
      readonly seed: number | undefined;
      readonly judge: JudgeChoice | undefined;
      readonly junit: string | undefined;
      readonly json: boolean;
    }
  | { readonly verb: "restart"; readonly service: string; readonly json: boolean }
  | { readonly verb: "reset"; readonly json: boolean };

export type Parsed =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly problem: string };

const options = {
  help: { type: "boolean", short: "h" },
  json: { type: "boolean" },
  runtime: { type: "string" },
  "until-ready": { type: "boolean" },
  "no-open": { type: "boolean" },
  token: { type: "boolean" },
  detach: { type: "boolean" },
  follow: { type: "boolean", short: "f" },
  mode: { type: "string" },
  param: { type: "string", multiple: true },
  seed: { type: "string" },
  "self-test": { type: "boolean" },
  strict: { type: "boolean" },
  judge: { type: "string" },
  junit: { type: "string" },
} as const;
type Option = keyof typeof options;

interface VerbSyntax {
  readonly options: readonly Option[];
  /** Name of the one positional argument, where it takes one. */
  readonly argument?: string;
  /** It takes as many as there are. */
  readonly list?: true;
}
const starting = ["runtime", "no-open", "token"] as const;

/** `""` is a start in the foreground. */
const verbs: Readonly<Record<string, VerbSyntax>> = {
  "": { options: [...starting, "until-ready", "detach"] },
  up: { options: [...starting, "until-ready", "detach"] },
  dev: { options: ["runtime", "no-open"] },
  down: { options: ["json"] },
  status: { options: ["json"] },
  open: { options: [] },
  doctor: { options: ["json"] },
  logs: { options: ["follow"], argument: "service" },
  list: { options: ["json"] },
  schema: { options: [] },
  run: { options: ["mode", "param", "seed", "judge", "json"], argument: "scenario" },
  verify: { options: ["self-test", "strict", "seed", "judge", "junit", "json"], list: true },
  restart: { options: ["json"], argument: "service" },
  reset: { options: ["json"] },
};
/** As a person reads them; `up` alone is the same as no verb. */
export const verbNames: readonly string[] = Object.keys(verbs).filter((verb) => verb !== "");

/** Understands a command line; never throws and has no effects. */
export function parseCommand(argv: readonly string[]): Parsed {
  const read = readArguments(argv);
  if (!read.ok) return read;
  const { values, positionals } = read;
  if (values.help) return { ok: true, command: { verb: "help" } };
  const [verb = "", ...rest] = positionals;
  if (verb === "help") return { ok: true, command: { verb: "help" } };
  const syntax = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (syntax === undefined) {
    return problem(`There is no verb "${verb}". There are: ${verbNames.join(", ")}.`);
  }
  const named = verb === "" ? "a start" : `"${verb}"`;
  const stray = Object.keys(values).find((name) => !syntax.options.includes(name as Option));
  if (stray !== undefined) return problem(`--${stray} does not go with ${named}.`);
  if (syntax.list) return verifyCommand(rest, values);
  const wanted = syntax.argument === undefined ? 0 : 1;
  if (rest.length > wanted) return problem(`${named} does not take "${rest[wanted]}".`);
  if (rest.length < wanted) return problem(`"${verb}" needs a ${syntax.argument}.`);
  return commandOf(verb, rest[0] ?? "", values);
}

type Values = { readonly [O in Option]?: string | boolean | string[] };
type Read =
  | { readonly ok: true; readonly values: Values; readonly positionals: readonly string[] }
  | { readonly ok: false; readonly problem: string };

function readArguments(argv: readonly string[]): Read {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    return { ok: true, values, positionals };
  } catch (error) {
    // Only the first sentence says what is wrong; the rest is about `--` and positionals.
    return problem(`${(error as Error).message.split(". ")[0]}.`.replace(/\.\.$/, "."));
  }
}

function commandOf(verb: string, argument: string, values: Values): Parsed {
  const json = values.json === true;
  switch (verb) {
    case "down":
    case "status":
    case "doctor":
    case "list":
    case "reset":
      return { ok: true, command: { verb, json } };
    case "open":
    case "schema":
      return { ok: true, command: { verb } };
    case "logs":
      return {
        ok: true,
        command: { verb, service: argument, follow: values.follow === true },
      };
    case "restart":
      return { ok: true, command: { verb, service: argument, json } };
    case "run":
      return runCommand(argument, values, json);
    default:
      return startCommand(verb, values);
  }
}

function startCommand(verb: string, values: Values): Parsed {
  const runtime = runtimeNames.find((name) => name === values.runtime);
  if (values.runtime !== undefined && runtime === undefined) {
    return problem(`--runtime is ${runtimeNames.join(" or ")}, not "${values.runtime}".`);
  }
  const start = { runtime, open: values["no-open"] !== true };
  const token = values.token === true;
  const untilReady = values["until-ready"] === true;
  if (verb === "dev") return { ok: true, command: { verb, ...start } };
  if (values.detach !== true) {
    return { ok: true, command: { verb: "start", untilReady, token, ...start } };
  }
  if (untilReady) {
    return problem("--until-ready stops the lab again, so it does not go with --detach.");
  }
  return { ok: true, command: { verb: "detach", token, ...start } };
}

function verifyCommand(scenarios: readonly string[], values: Values): Parsed {
  const seed = seedOf(values);
  if (typeof seed === "string") return problem(seed);
  const judge = judgeOf(values);
  if (judge === null) return wrongJudge(values);
  return {
    ok: true,
    command: {
      verb: "verify",
      ...{ scenarios, seed, judge },
      selfTest: values["self-test"] === true,
      strict: values.strict === true,
      junit: typeof values.junit === "string" ? values.junit : undefined,
      json: values.json === true,
    },
  };
}

/** Null for what is none. */
const judgeOf = ({ judge }: Values): JudgeChoice | undefined | null =>
  judge === undefined ? undefined : (judgeChoices.find((name) => name === judge) ?? null);

const wrongJudge = ({ judge }: Values) =>
  problem(`--judge is ${judgeChoices.join(" or ")}, not "${judge}".`);

/** The number, or what is wrong with it. */
function seedOf(values: Values): number | undefined | string {
  if (values.seed === undefined) return undefined;
  const seed = Number(values.seed);
  const isSeed = Number.isInteger(seed) && seed >= 0 && seed <= 0xffffffff;
  return isSeed ? seed : `--seed is a whole number from 0 to 4294967295, not "${values.seed}".`;
}

function runCommand(scenario: string, values: Values, json: boolean): Parsed {
  const mode = modes.find((name) => name === (values.mode ?? "fault"));
  if (mode === undefined) return problem(`--mode is ${modes.join(", ")}, not "${values.mode}".`);
  const seed = seedOf(values);
  if (typeof seed === "string") return problem(seed);
  const judge = judgeOf(values);
  if (judge === null) return wrongJudge(values);
  const params: Record<string, ParamValue> = {};
  for (const pair of (values.param ?? []) as readonly string[]) {
    const at = pair.indexOf("=");
    if (at < 1) return problem(`--param is name=value, not "${pair}".`);
    params[pair.slice(0, at)] = paramValue(pair.slice(at + 1));
  }
  return { ok: true, command: { verb: "run", scenario, mode, params, seed, judge, json } };
}

/** `12` is a number, `true` a flag, everything else a word. The lab checks it against the scenario. */
function paramValue(text: string): ParamValue {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

const problem = (text: string): { readonly ok: false; readonly problem: string } => ({
  ok: false,
  problem: text,
});
