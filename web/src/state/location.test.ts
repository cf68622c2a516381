import { expect, test } from "vitest";
import { hrefOf, noFocus, type Place, placeOf } from "./location.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const places: readonly Place[] = [
  { view: "scenarios", scenario: null },
  { view: "scenarios", scenario: "db.n-plus-one" },
  { view: "runs" },
  { view: "runs", q: "db. & more", mode: "fix", verdict: "other" },
  { view: "run", runId: "01kabcdefghjkmnpqrstvwxyz0", ...noFocus },
  {
    view: "run",
    runId: "01kabcdefghjkmnpqrstvwxyz0",
    trace: traceId,
    span: "00f067aa0ba902b7",
    window: { fromMs: 1.5, toMs: 20.000001 },
  },
  { view: "traces", traceId: null, ...noFocus },
  { view: "traces", traceId: null, ...noFocus, q: '{ name = "a&b" } | count() > 2' },
  { view: "traces", traceId, ...noFocus },
  { view: "services" },
  { view: "compare", left: "01kabcdefghjkmnpqrstvwxyz0", right: "01kabcdefghjkmnpqrstvwxyz1" },
];

test.each(places.map((place) => [hrefOf(place), place] as const))(
  "%s leads back to its place",
  (href, place) => {
    expect(placeOf(new URL(href, "http://localhost"))).toEqual(place);
  },
);

test.each([
  ["a span id that is none", "/runs/x?span=zz", { span: null }],
  ["a window turned round", "/runs/x?from=9&to=3", { window: null }],
  ["half a window", "/traces/x?from=9", { window: null }],
])("%s is left out", (_, href, expected) => {
  expect(placeOf(new URL(href, "http://localhost"))).toMatchObject(expected);
});

test.each(["/nowhere", "/runs/a/b", "/services/x", "/%E0%A4%A"])(
  "%s is no place of ours",
  (href) => {
    expect(placeOf(new URL(href, "http://localhost")).view).toBe("unknown");
  },
);
