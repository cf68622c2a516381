import { isWordUnit, type PatternNode, PatternProblem, parsePattern } from "./pattern-syntax.ts";

/** A regular expression that takes time proportional to pattern × text, whatever the text is. */
export type Pattern =
  | { readonly ok: true; readonly test: (text: string) => boolean }
  | { readonly ok: false; readonly problem: string };

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
  const pattern = compile(source);
  if (compiled.size >= rememberedTexts) compiled.clear();
  compiled.set(source, pattern);
  return pattern;
}

function compile(source: string): Pattern {
  try {
    const steps: Step[] = [];
    emit(parsePattern(source), steps);
    steps.push({ op: "found" });
    const answers = new Map<string, boolean>();
    return {
      ok: true,
      test: (text) => {
        const known = answers.get(text);
        if (known !== undefined) return known;
        const found = run(steps, text.slice(0, longestText));
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

function emit(node: PatternNode, steps: Step[]): void {
  if (steps.length > mostSteps) throw new PatternProblem("too many repetitions");
  switch (node.kind) {
    case "unit":
      steps.push({ op: "unit", test: node.test });
      return;
    case "assert":
      steps.push({ op: "assert", what: node.what });
      return;
    case "sequence":
      for (const part of node.parts) emit(part, steps);
      return;
    case "choice":
      emitChoice(node.options, steps);
      return;
    case "repeat":
      for (let count = 0; count < node.min; count++) emit(node.part, steps);
      if (node.max === Infinity) emitLoop(node.part, steps);
      else for (let count = node.min; count < node.max; count++) emitOptional(node.part, steps);
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

function emitOptional(part: PatternNode, steps: Step[]): void {
  emitForked(steps, () => emit(part, steps));
}

function emitLoop(part: PatternNode, steps: Step[]): void {
  const start = steps.length;
  emitForked(steps, () => {
    emit(part, steps);
    steps.push({ op: "jump", to: start });
  });
}

function emitChoice(options: readonly PatternNode[], steps: Step[]): void {
  const ends: { op: "jump"; to: number }[] = [];
  for (const [index, option] of options.entries()) {
    if (index === options.length - 1) {
      emit(option, steps);
      continue;
    }
    emitForked(steps, () => {
      emit(option, steps);
      const end = { op: "jump" as const, to: 0 };
      ends.push(end);
      steps.push(end);
    });
  }
  for (const end of ends) end.to = steps.length;
}

/** Follows all possible positions in the program at once, one text unit after the other. */
function run(steps: readonly Step[], text: string): boolean {
  const seenAt = new Int32Array(steps.length).fill(-1);
  let current: number[] = [];
  for (let position = 0; position <= text.length; position++) {
    // The match may start here: the start is one more possible position.
    const pending = [...current, 0];
    const units: number[] = [];
    while (pending.length > 0) {
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
    const unit = text.charCodeAt(position);
    current = [];
    for (const index of units) {
      const step = steps[index];
      if (step?.op === "unit" && position < text.length && step.test(unit)) current.push(index + 1);
    }
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
