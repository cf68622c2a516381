import { expect, test } from "vitest";
import { filtersOf, runsQuery, withFilter } from "./traceql-filters.ts";

test("controls write into the query, and read back from it", () => {
  const query = withFilter(
    withFilter(withFilter("", "service", 'a "b" && c'), "errorsOnly", true),
    "atLeast",
    "100ms",
  );
  expect(query).toBe(
    '{ resource.service.name = "a \\"b\\" && c" && status = error && traceDuration >= 100ms }',
  );
  expect(filtersOf(query)).toEqual({
    service: 'a "b" && c',
    errorsOnly: true,
    runsOnly: false,
    atLeast: "100ms",
  });
});

test("a control changes its own condition only, and takes it out again", () => {
  const query = '{ name = "GET" && status = error }';
  expect(withFilter(query, "atLeast", "1s")).toBe(
    '{ name = "GET" && status = error && traceDuration >= 1s }',
  );
  expect(withFilter(query, "errorsOnly", false)).toBe('{ name = "GET" }');
  expect(withFilter("{ status = error }", "errorsOnly", false)).toBe("");
});

test("the list of runs is a query like others", () => {
  expect(filtersOf(runsQuery).runsOnly).toBe(true);
  expect(withFilter("", "runsOnly", true)).toBe(runsQuery);
  expect(withFilter(runsQuery, "runsOnly", false)).toBe("");
});

test("a query that is more than a list of conditions gets a further part", () => {
  for (const query of ["{ a = 1 || b = 2 }", "{ a = 1 } >> { b = 2 }", "{ a = 1 } | count() > 2"]) {
    expect(withFilter(query, "errorsOnly", true)).toBe(`${query} && { status = error }`);
    expect(withFilter(query, "errorsOnly", false)).toBe(query);
    expect(filtersOf(query).errorsOnly).toBe(false);
  }
});
