import fc from "fast-check";
import { expect, test } from "vitest";
import { checkTraceql } from "./check.ts";
import { parseTraceql } from "./parser.ts";
import { TraceqlError } from "./syntax.ts";

function check(query: string): void {
  checkTraceql(query, parseTraceql(query));
}
function problem(query: string): string {
  try {
    check(query);
  } catch (error) {
    expect(error).toBeInstanceOf(TraceqlError);
    return (error as Error).message;
  }
  return "none";
}

test.each([
  "{}",
  "{ }",
  "{ true }",
  "{ !(.a && .b) || .c }",
  '{ .http.route = "/orders/:id" }',
  '{ span."an odd name".x =~ "a.*b" }',
  "{ span.a-b/c != 3 }",
  "{ resource.service.name = `lab-server` }",
  "{ parent.http.method != nil && parent.span.a = 1 }",
  '{ event.exception.type = "TypeError" && link.a = 1 }',
  '{ instrumentation:name = "pg" && instrumentation.v > 1 }',
  "{ status = error && kind != client }",
  '{ name =~ "GET .*" && duration >= 1.5s && duration < 1h30m }',
  '{ span:duration > 10us && trace:duration < 3ms && trace:rootName = "a" }',
  '{ span:id = "0123456789abcdef" || trace:id = "ab" || span:parentID = "cd" }',
  '{ event:name = "exception" && event:timeSinceStart < 2s }',
  "{ nestedSetParent < 0 && childCount = 2 }",
  "{ -.a + 2 * .b ^ 2 % 3 - 1 / .c > -1 }",
  '{ 2 = 2 && "a" < "b" && 1s > 1 }',
  "{ .a } && { .b } || { .c }",
  "{ .a } > { .b } >> { .c } ~ { .d } < { .e } << { .f }",
  "{ .a } !> { .b } !>> { .c } !~ { .d } !< { .e } !<< { .f }",
  "{ .a } &> { .b } &>> { .c } &~ { .d } &< { .e } &<< { .f }",
  "({ .a } | count() > 1) && ({ .b } || { .c })",
  "({ .a } | count()) > ({ .b } | count())",
  "({ .a } | count()) + ({ .b } | avg(duration)) / 2 = 10",
  "{ .a } | count() = 2",
  "{ .a } | avg(duration) > 1s | { .b }",
  "max(duration) > 3s | { status = error }",
  "{} | min(.a + 1) <= 2 | max(.b) != 2 | sum(span.bytes) > 10",
  "{} | avg(.a) * 2 > max(.b) - 1",
  "{} | by(resource.service.name) | count() > 2 | coalesce()",
  "by(name) | { .a }",
  "{} | select(span.a, resource.b, name)",
  "{ .a } with (most_recent=true)",
  "{ .a =~ `(?i)abc` }",
])("%s is understood", (query) => {
  expect(problem(query)).toBe("none");
});

test.each([
  ["", 'line 1, column 1: expected "{" or "(", found the end of the query'],
  ["true", 'line 1, column 1: expected a spanset filter or a pipeline function, found "true"'],
  ["{ . }", "line 1, column 4: expected the name of an attribute"],
  ["{ .a = }", 'line 1, column 8: expected an attribute, an intrinsic or a value, found "}"'],
  ["{ .a = 3", 'line 1, column 9: expected an operator or "}", found the end of the query'],
  ["{ .a == 3 }", 'line 1, column 7: expected an attribute, an intrinsic or a value, found "="'],
  ["{ (.a = 3 }", 'line 1, column 11: expected ")", found "}"'],
  ["{ foo = 4 }", 'line 1, column 3: expected an attribute, an intrinsic or a value, found "foo"'],
  [
    "{ trace:status = error }",
    'line 1, column 3: expected an attribute, an intrinsic or a value, found "trace:status"',
  ],
  ['{ .a = "open }', "line 1, column 8: this text has no closing quote"],
  ["{ .a }\n  + { .b }", 'line 2, column 3: expected "|" or the end of the query, found "+"'],
  ["{ .a } | count()", "line 1, column 17: expected a comparison, found the end of the query"],
  [
    "{ .a } | nothing() = 1",
    'line 1, column 10: expected a spanset filter or a pipeline function, found "nothing"',
  ],
  [
    "{ .a } | max() > 1",
    'line 1, column 14: expected an attribute, an intrinsic or a value, found ")"',
  ],
  ["{ .a } | by()", 'line 1, column 13: expected an attribute, an intrinsic or a value, found ")"'],
  ["{ .a } | select(1)", 'line 1, column 17: expected an attribute or an intrinsic, found "1"'],
  [
    "coalesce()",
    'line 1, column 1: expected a spanset filter or a pipeline function, found "coalesce"',
  ],
  ["{ .a } §", 'line 1, column 8: unexpected "§"'],
  ["{ status }", "line 1, column 3: expected a condition that is true or false"],
  ["{ 1 + true = 1 }", "line 1, column 7: expected a number or a duration"],
  ['{ 1 = "a" }', "line 1, column 5: int and string are never equal"],
  ["{ status > ok }", "line 1, column 10: status and status have no order"],
  ["{ rootName = 1 }", "line 1, column 12: string and int are never equal"],
  ["{ -name = 1 }", 'line 1, column 4: expected a number after "-"'],
  ['{ !"a" }', 'line 1, column 4: expected true or false after "!"'],
  ["{ .a && 2 }", "line 1, column 9: expected a condition that is true or false"],
  ['{ .a =~ "[" }', "line 1, column 9: this pattern is refused: a [ without its ]"],
  [
    '{ .a =~ "(a)`1" }'.replace("`", "\\\\"),
    "line 1, column 9: this pattern is refused: back-references are not supported",
  ],
  ["{ .a =~ 2 }", "line 1, column 9: expected a pattern in quotes"],
  ["sum(3) = 2", "line 1, column 5: expected something that differs between spans"],
  ["max(name) > 1", "line 1, column 5: expected a number or a duration"],
  ["{} | by(1)", "line 1, column 9: expected something that differs between spans"],
])("%j is refused: %s", (query, message) => {
  expect(problem(query)).toBe(message);
});

test.each([
  "rate",
  "count_over_time",
  "quantile_over_time",
  "histogram_over_time",
  "compare",
  "topk",
])("the metrics function %s() is refused by name", (name) => {
  expect(problem(`{ .a } | ${name}(duration)`)).toMatch(
    `line 1, column 10: the metrics function ${name}() is not supported`,
  );
});

test("operators bind as in Tempo's grammar", () => {
  const shape = (query: string): unknown =>
    JSON.parse(
      JSON.stringify(parseTraceql(query), (key, value) => (key === "at" ? undefined : value)),
    );
  expect(shape("{ .a = 1 + 2 * 3 && .b }")).toEqual(shape("{ ((.a = (1 + (2 * 3))) && .b) }"));
  expect(shape("{ 2 ^ 3 ^ 2 = 1 }")).toEqual(shape("{ (2 ^ (3 ^ 2)) = 1 }"));
  expect(shape("{ 5 - 2 - 1 = 1 }")).toEqual(shape("{ ((5 - 2) - 1) = 1 }"));
  expect(shape("{ .a } >> { .b } && { .c }")).toEqual(shape("({ .a } >> { .b }) && { .c }"));
});

test("no text crashes the parser, however odd or deep", () => {
  const pieces = fc.constantFrom(
    ...'{ } ( ) && || >> !> &~ = =~ ! - | count() by( coalesce() select( .a span. name 1 2s " ` rate() nil , ^ '.split(
      " ",
    ),
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.array(pieces, { maxLength: 20 }), fc.array(fc.string(), { maxLength: 5 })),
      (parts) => {
        problem(parts.join(" "));
      },
    ),
    { numRuns: 2000 },
  );
  for (const [open, close] of ["()", "{}", "!-"]) {
    const deep = `${(open ?? "").repeat(20_000)}.a${(close ?? "").repeat(20_000)}`;
    expect(problem(deep)).not.toBe("none");
    expect(problem(`{ ${deep} }`)).not.toBe("none");
  }
});
