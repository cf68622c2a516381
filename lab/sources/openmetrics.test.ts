import fc from "fast-check";
import { expect, test } from "vitest";
import { parseExposition } from "./openmetrics.ts";

const text = `# HELP http_server_request_duration_seconds Time to answer.
# TYPE http_server_request_duration_seconds histogram
# UNIT http_server_request_duration_seconds seconds
http_server_request_duration_seconds_bucket{le="0.1",http_route="/api/orders"} 5 # {trace_id="4bf9",span_id="00f0"} 0.05 1520879607.789
http_server_request_duration_seconds_bucket{le="+Inf",http_route="/api/orders"} 6
http_server_request_duration_seconds_sum{http_route="/api/orders"} 1.25e-1
# TYPE db_client_connection_timeouts counter
db_client_connection_timeouts_total 0 1520879607.789
# TYPE build_info info
odd{text="a\\"b\\\\c\\nd, }",empty=""} -2
nothing NaN
endless +Inf
# EOF
`;

test("reads families, samples, labels with escapes, and exemplars", () => {
  expect(parseExposition(text, "openmetrics")).toEqual({
    families: [
      { name: "http_server_request_duration_seconds", type: "histogram" },
      { name: "db_client_connection_timeouts", type: "counter" },
      { name: "build_info", type: "unknown" },
    ],
    samples: [
      {
        name: "http_server_request_duration_seconds_bucket",
        labels: { le: "0.1", http_route: "/api/orders" },
        value: 5,
        exemplar: { labels: { trace_id: "4bf9", span_id: "00f0" }, value: 0.05 },
      },
      {
        name: "http_server_request_duration_seconds_bucket",
        labels: { le: "+Inf", http_route: "/api/orders" },
        value: 6,
      },
      {
        name: "http_server_request_duration_seconds_sum",
        labels: { http_route: "/api/orders" },
        value: 0.125,
      },
      { name: "db_client_connection_timeouts_total", labels: {}, value: 0 },
      { name: "odd", labels: { text: 'a"b\\c\nd, }', empty: "" }, value: -2 },
    ],
  });
});

test("reads the older format, which has no end mark", () => {
  const exposed = '# TYPE a_total counter\r\na_total{ b = "c" , } 3 1700000000000\r\n';
  expect(parseExposition(exposed, "prometheus").samples).toEqual([
    { name: "a_total", labels: { b: "c" }, value: 3 },
  ]);
});

test("any label value survives being written and read", () => {
  const labels = fc.dictionary(fc.constantFrom("a", "b_c", "_d"), fc.string({ unit: "binary" }), {
    maxKeys: 3,
  });
  fc.assert(
    fc.property(labels, fc.double({ noNaN: true, noDefaultInfinity: true }), (given, value) => {
      const written = Object.entries(given).map(
        ([key, text]) =>
          `${key}="${text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')}"`,
      );
      const { samples } = parseExposition(`x{${written.join(",")}} ${value}\n# EOF`, "openmetrics");
      expect(samples).toEqual([{ name: "x", labels: { ...given }, value: value || 0 }]);
    }),
    { numRuns: 50 },
  );
}, 60_000);

test.each([
  ["a 1", 1, "no # EOF at the end"],
  ["# EOF\na 1", 2, "text after # EOF"],
  ["a\n# EOF", 1, "the value is missing"],
  ["a x\n# EOF", 1, "x is not a number"],
  ["1a 1\n# EOF", 1, "a metric name is missing"],
  ['a{b="c 1\n# EOF', 1, "a label value does not end"],
  ['a{b="c"d="e"} 1\n# EOF', 1, ", or } is missing"],
  ["a{b=c} 1\n# EOF", 1, '=" is missing'],
  ["a 1 # x\n# EOF", 1, "{ is missing"],
])("refuses %j", (exposed, line, what) => {
  expect(() => parseExposition(exposed, "openmetrics")).toThrow(
    `The metrics text is malformed in line ${line}: ${what}`,
  );
});
