import { expect, test } from "vitest";
import { literalOf, matching, wantedAt } from "./traceql-completion.ts";

/** `|` stands for the caret. */
const at = (marked: string) => {
  const caret = marked.indexOf("|");
  return wantedAt(marked.replace("|", ""), caret);
};

test.each([
  ["|", "query", "", ""],
  ["{ |", "name", "", ""],
  ["{ span.ht| }", "name", "span.ht", ""],
  ['{ name = "GET" && res| }', "name", "res", ""],
  ["{ status | }", "operator", "", ""],
  ["{ status =| }", "value", "", "status"],
  ["{ status = err| }", "value", "err", "status"],
  ['{ span.http.route = "/ap| }', "value", '"/ap', "span.http.route"],
  ['{ name = "a } && {" | }', "joint", "", ""],
  ["{ status = error } >> { k| }", "name", "k", ""],
])("%s wants a %s", (marked, kind, typed, name) => {
  expect(at(marked)).toMatchObject({ kind, typed, name });
});

test.each(["{ status = error } |", "| count() > 2"])("%s is left to the user", (marked) => {
  expect(at(`x${marked}`)).toBeUndefined();
});

test("the whole word is replaced, also what of it stands behind the caret", () => {
  const query = "{ span.http.route = 1 }";
  expect(wantedAt(query, "{ span.h".length)).toMatchObject({
    from: 2,
    to: "{ span.http.route".length,
  });
});

test.each([
  ['{ kind = server && name = "G|" && status = error }', "{ kind = server && && status = error }"],
  ["{ status = error } >> { kind = client && sp| }", "{ kind = client && }"],
  ["{ name = | }", "{ && }"],
])("the others of %s are %s", (marked, others) => {
  expect(at(marked)?.others.replaceAll(/\s+/g, " ").replaceAll("&& &&", "&&")).toBe(
    others.replaceAll("&& &&", "&&"),
  );
});

test("what begins so comes first; what is written out already is not offered", () => {
  expect(matching(["http.route", "route", "name", "ro"], "ro")).toEqual(["route", "http.route"]);
  expect(matching(['"GET"', '"PUT"'], '"g')).toEqual(['"GET"']);
});

test("only text is quoted", () => {
  expect(literalOf({ type: "string", value: 'a"b' })).toBe('"a\\"b"');
  expect(literalOf({ type: "keyword", value: "error" })).toBe("error");
});
