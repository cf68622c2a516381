/** What can be written at the caret of a TraceQL query. Replaces the text between `from` and `to`. */
export interface Wanted {
  readonly kind: "name" | "operator" | "value" | "joint" | "query";
  readonly from: number;
  readonly to: number;
  /** What of it is there already. */
  readonly typed: string;
  /** The attribute or intrinsic that a value is for; empty for other kinds. */
  readonly name: string;
  /** What else the braces around it ask for, as a query: `{ … }`. */
  readonly others: string;
}

const name = String.raw`(?:[\w.:-]|"(?:[^"\\]|\\.)*")+`;
const value = String.raw`(?:"(?:[^"\\]|\\.)*"|[^\s"&|{}()]+)`;
const valueStart = new RegExp(
  String.raw`(${name})\s*(?:=~|!~|!=|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*|[^\s"&|{}()=~]*)$`,
);
const nameStart = /(?:^|[{(!]|&&|\|\|)\s*([\w.:-]*)$/;
const operatorStart = new RegExp(String.raw`(${name})\s+([=!<>~]*)$`);
const jointStart = new RegExp(String.raw`${name}\s*(?:=~|!~|!=|>=|<=|=|>|<)\s*${value}\s+([&|]*)$`);

/**
 * Looks only at what stands before the caret, so that an unfinished query completes too. Undefined
 * inside of text that is free, and where nothing but the user can know.
 */
export function wantedAt(query: string, caret: number): Wanted | undefined {
  const before = query.slice(0, caret);
  if (before.trim() === "")
    return { kind: "query", from: 0, to: query.length, typed: "", name: "", others: "{}" };
  const open = openBrace(before);
  if (open === -1) return undefined;
  const inside = before.slice(open + 1);
  const found = (kind: Wanted["kind"], begin: number, typed: string, of = ""): Wanted => {
    const rest =
      kind === "name" || kind === "value" ? (/^[\w.:"-]*/.exec(query.slice(caret)) ?? [""]) : [""];
    const to = caret + (rest[0]?.length ?? 0);
    const others = `{ ${inside.slice(0, begin)} && ${untilClosed(query.slice(to))} }`;
    return { kind, from: caret - typed.length, to, typed, name: of, others };
  };
  const joint = jointStart.exec(inside);
  if (joint !== null) return found("joint", joint.index, joint[1] ?? "");
  const valued = valueStart.exec(inside);
  if (valued !== null) return found("value", valued.index, valued[2] ?? "", valued[1]);
  const named = nameStart.exec(inside);
  if (named !== null) return found("name", named.index, named[1] ?? "");
  const operator = operatorStart.exec(inside);
  return operator === null ? undefined : found("operator", operator.index, operator[2] ?? "");
}

/** What follows inside of the same braces, after the end of the condition that is being written. */
function untilClosed(text: string): string {
  const [rest = ""] = /^(?:"(?:[^"\\]|\\.)*"|[^"}])*/.exec(text) ?? [];
  return /&&(.*)$/s.exec(rest)?.[1] ?? "";
}

/** Index of the innermost brace that is still open; braces in quotes are text. */
function openBrace(text: string): number {
  const open: number[] = [];
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === "\\" && quoted) at += 1;
    else if (letter === '"') quoted = !quoted;
    else if (!quoted && letter === "{") open.push(at);
    else if (!quoted && letter === "}") open.pop();
  }
  return open.at(-1) ?? -1;
}

export const operators = ["=", "!=", ">", ">=", "<", "<=", "=~", "!~"] as const;

/** Best first: what begins so, then what contains it. */
export function matching(options: readonly string[], typed: string): readonly string[] {
  const wanted = typed.replace(/^"/, "").toLowerCase();
  const rank = (option: string): number => {
    const at = option.replace(/^"/, "").toLowerCase().indexOf(wanted);
    return at === -1 ? 2 : at === 0 ? 0 : 1;
  };
  return options
    .filter((option) => rank(option) < 2 && option !== typed)
    .sort((a, b) => rank(a) - rank(b));
}

/** A value as TraceQL writes it. */
export const literalOf = ({ type, value = "" }: { type: string; value?: string }): string =>
  type === "string" ? JSON.stringify(value) : value;
