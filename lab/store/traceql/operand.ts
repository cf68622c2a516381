import type { Token } from "./lexer.ts";
import {
  type AttributeScope,
  type FieldReference,
  kinds,
  type Static,
  scopedIntrinsics,
  statuses,
} from "./syntax.ts";

/** The attribute or intrinsic that the token names; undefined for what is none. */
export function fieldOf(token: Token): FieldReference | undefined {
  if (token.kind === "attribute") {
    const path = token.text.split(".").filter((part) => part !== "");
    const ofParent = path[0] === "parent";
    const scope = ((ofParent ? path[1] : path[0]) ?? "any") as AttributeScope;
    return { node: "attribute", scope, ofParent, name: token.name, at: token.at };
  }
  const intrinsic = token.kind === "word" ? scopedIntrinsics.get(token.text) : undefined;
  return intrinsic && { node: "intrinsic", name: intrinsic, at: token.at };
}

/** The value that the token is; undefined for what is none. */
export function literalOf(token: Token): Static | undefined {
  switch (token.kind) {
    case "string":
      return { type: "string", value: token.value };
    case "int":
    case "float":
    case "duration":
      return { type: token.kind, value: token.value };
    case "word":
      return named(token.text);
    case "punctuation":
    case "attribute":
    case "end":
      return undefined;
  }
}

function named(word: string): Static | undefined {
  if (word === "true" || word === "false") return { type: "boolean", value: word === "true" };
  if (word === "nil") return { type: "nil" };
  const status = statuses.find((each) => each === word);
  if (status !== undefined) return { type: "status", value: status };
  const kind = kinds.find((each) => each === word);
  return kind === undefined ? undefined : { type: "kind", value: kind };
}
