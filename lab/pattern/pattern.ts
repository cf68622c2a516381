import {
  defaultRules,
  isWordUnit,
  type PatternNode,
  PatternProblem,
  type PatternRules,
  parsePattern,
} from "./pattern-syntax.ts";

/** A regular expression that takes time proportional to pattern × text, whatever the text is. */
export type Pattern =
  | { readonly ok: true; readonly test: (text: string, work?: Work) => boolean }
  | { readonly ok: false; readonly problem: string };

/** Steps that may still be made. A test that would need more throws {@link PatternTooCostly}. */
export interface Work {
  left: number;
}

/** The budget given to a test is used up. */
export class PatternTooCostly extends Error {
  override readonly name = "PatternTooCostly";
}

export interface PatternOptions extends PatternRules {
  /** The pattern must match the text from its first to its last character. */
  readonly whole: boolean;
}

type Step =
  | { readonly op: "unit"; readonly test: (code: number) => boolean }
  | { readonly op: "assert"; readonly what: "start" | "end" | "word" | "inside" }
  | { readonly op: "fork"; readonly to: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "found" };

const mostSteps = 5000;
/** Units of a text that are looked at; backends cut attributes far below that. */
const longestText = 65_536;
const rememberedTexts = 1000;

const compiled = new Map<string, Pattern>();

/** Compiles a pattern, or says what is wrong with it. Finds it anywhere in the text, like `RegExp`. */
export function patternOf(source: string): Pattern {
  const known = compiled.get(source);
  if (known) return known;
  const pattern = compilePattern(source);
  if (compiled.size >= rememberedTexts) compiled.clear();
  compiled.set(source, pattern);
  return pattern;
}

/** Like {@link patternOf} by other rules, and not remembered. */
export function compilePattern(
  source: string,
  { whole = false, ...rules }: Partial<PatternOptions> = {},
): Pattern {
  try {
    const steps: Step[] = [];
    const parsed = parsePattern(source, { ...defaultRules, ...rules });
    emit(whole ? anchored(parsed) : parsed, steps, { left: mostSteps });
    steps.push({ op: "found" });
    const answers = new Map<string, boolean>();
    return {
      ok: true,
      test: (text, work = { left: Infinity }) => {
        const known = answers.get(text);
        if (known !== undefined) return known;
        const found = run(steps, text.slice(0, longestText), work);
        // Span names repeat by the thousand; long texts hardly do and would only take room.
        if (text.length <= 200) {
          if (answers.size >= rememberedTexts) answers.clear();
          answers.set(text, found);
        }
        return found;
      },
    };
  } catch (error) {
    if (error instanceof PatternProblem) return { ok: false, problem: error.message };
    throw error;
  }
}

const anchored = (node: PatternNode): PatternNode => ({
  kind: "sequence",
  parts: [{ kind: "assert", what: "start" }, node, { kind: "assert", what: "end" }],
});

/** `room` counts nodes, not steps: repetitions of nothing would make none and still go on for ever. */
function emit(node: PatternNode, steps: Step[], room: Work): void {
  if (room.left-- <= 0) throw new PatternProblem("too many repetitions");
  switch (node.kind) {
    case "unit":
      steps.push({ op: "unit", test: node.test });
      return;
    case "assert":
      steps.push({ op: "assert", what: node.what });
      return;
    case "sequence":
      for (const part of node.parts) emit(part, steps, room);
      return;
    case "choice":
      emitChoice(node.options, steps, room);
      return;
    case "repeat":
      for (let count = 0; count < node.min; count++) emit(node.part, steps, room);
      if (node.max === Infinity) emitLoop(node.part, steps, room);
      else
        for (let count = node.min; count < node.max; count++)
          emitForked(steps, () => emit(node.part, steps, room));
      return;
  }
}

/** `fork` goes on with the next step and with the one it names. */
function emitForked(steps: Step[], body: () => void): void {
  const fork = steps.length;
  steps.push({ op: "found" });
  body();
  steps[fork] = { op: "fork", to: steps.length };
}

function emitLoop(part: PatternNode, steps: Step[], room: Work): void {
  const start = steps.length;
  emitForked(steps, () => {
    emit(part, steps, room);
    steps.push({ op: "jump", to: start });
  });
}

function emitChoice(options: readonly PatternNode[], steps: Step[], room: Work): void {
  const ends: { op: "jump"; to: number }[] = [];
  for (const [index, option] of options.entries()) {
    if (index === options.length - 1) {
      emit(option, steps, room);
      continue;
    }
    emitForked(steps, () => {
      emit(option, steps, room);
      const end = { op: "jump" as const, to: 0 };
      ends.push(end);
      steps.push(end);
    });
  }
  for (const end of ends) end.to = steps.length;
}

/** Follows all possible positions in the program at once, one character after the other. */
function run(steps: readonly Step[], text: string, work: Work): boolean {
  const seenAt = new Int32Array(steps.length).fill(-1);
  const anywhere = steps[0]?.op !== "assert" || steps[0].what !== "start";
  let current: number[] = [];
  for (let position = 0; position <= text.length; ) {
    const pending = current;
    // The match may start here: the start is one more possible position.
    if (anywhere || position === 0) pending.push(0);
    if (pending.length === 0) return false;
    const units: number[] = [];
    while (pending.length > 0) {
      if (work.left-- <= 0) throw new PatternTooCostly();
      const index = pending.pop() ?? 0;
      if (seenAt[index] === position) continue;
      seenAt[index] = position;
      const step = steps[index];
      if (!step) continue;
      switch (step.op) {
        case "found":
          return true;
        case "unit":
          units.push(index);
          break;
        case "jump":
          pending.push(step.to);
          break;
        case "fork":
          pending.push(step.to, index + 1);
          break;
        case "assert":
          if (holds(step.what, text, position)) pending.push(index + 1);
          break;
      }
    }
    const unit = text.codePointAt(position);
    if (unit === undefined) return false;
    current = [];
    for (const index of units) {
      const step = steps[index];
      if (step?.op === "unit" && step.test(unit)) current.push(index + 1);
    }
    position += unit > 0xffff ? 2 : 1;
  }
  return false;
}

function holds(what: "start" | "end" | "word" | "inside", text: string, position: number): boolean {
  switch (what) {
    case "start":
      return position === 0;
    case "end":
      return position === text.length;
    case "word":
      return atWordEdge(text, position);
    case "inside":
      return !atWordEdge(text, position);
  }
}

const atWordEdge = (text: string, position: number): boolean =>
  isWordUnit(text.charCodeAt(position - 1)) !== isWordUnit(text.charCodeAt(position));
