import { expect, test } from "vitest";
import type { Check } from "#lab/api/checks.ts";
import { junitOf } from "./junit.ts";
import type { Job } from "./plan.ts";
import { annotations, exitCodeOf, resultLines, summaryLine } from "./report.ts";
import { type JobResult, resultOf, withoutRun } from "./result.ts";

const passed: Check = {
  ...{ index: 0, title: "exactly 1 span", signal: "span", state: "pass" },
  ...{ why: "It is.", hint: "Look.", expected: "exactly 1 span", seen: "1 of 9 spans" },
};
const failed: Check = {
  ...{ index: 1, title: 'a log line "a < b & c"', signal: "log", state: "fail" },
  ...{ why: "It is.", hint: "Look at the log.", expected: 'a log line "a < b & c"' },
  seen: "0 of 2 log lines",
  nearest: {
    ...{ kind: "log", title: "a\u0007 line", traceId: null, spanId: null },
    ticks: [
      { predicate: "severity", expected: "= error", seen: "error", ok: true },
      { predicate: "body", expected: "= a < b & c", seen: "a > b", ok: false },
    ],
  },
  query: { language: "http", text: "GET /lab/api/logs?run=1" },
};
const result = (part: Partial<JobResult> = {}): JobResult => ({
  ...{ scenario: "db.test", mode: "fault", verdict: "pass", runId: "r", checks: [passed] },
  ...{ page: "http://localhost:1/runs/r", durationMs: 1234, verdictMs: 600 },
  ...{ apart: null, trouble: null },
  ...part,
});
const failing = result({ verdict: "fail", checks: [passed, failed] });

test("the exit code is that of the worst run", () => {
  const codeOf = (...results: JobResult[]) => exitCodeOf(results);
  expect(codeOf(result())).toBe(0);
  expect(codeOf(result(), failing)).toBe(1);
  expect(codeOf(result(), result({ verdict: "inconclusive" }))).toBe(2);
  expect(codeOf(failing, result({ verdict: "inconclusive" }))).toBe(1);
  expect(codeOf(result(), result({ verdict: "not-applicable" }))).toBe(0);
  expect(codeOf(result({ verdict: "not-applicable" }))).toBe(2);
  expect(codeOf()).toBe(2);
});

test("to the strict, what cannot be had here is not shown", () => {
  const greyCheck = result({ checks: [passed, { ...passed, state: "not-applicable" }] });
  const greyRun = result({ verdict: "not-applicable", checks: [] });
  for (const grey of [greyCheck, greyRun]) {
    expect(exitCodeOf([result(), grey])).toBe(0);
    expect(exitCodeOf([result(), grey], true)).toBe(2);
  }
  expect(exitCodeOf([result()], true)).toBe(0);
  expect(exitCodeOf([failing, greyRun], true)).toBe(1);
});

test("a failed check is told with what was seen and the nearest miss, tick by tick", () => {
  const text = resultLines(failing).join("\n");
  expect(text).toContain("✗ fail");
  expect(text).toContain("1 of 2 checks");
  expect(text).toContain("seen      0 of 2 log lines");
  expect(text).toContain("✓ severity error");
  expect(text).toContain("✗ body: expected = a < b & c, seen a > b");
  expect(text).toContain("GET /lab/api/logs?run=1");
  expect(text).toContain("http://localhost:1/runs/r");
  expect(resultLines(result())).toHaveLength(1);
});

test("the summary counts the verdicts and tells how long they took", () => {
  expect(summaryLine([result(), failing], 5000)).toBe(
    "2 runs: 1 pass, 1 fail, 5.0 s; verdict 0.6 s after a run's end (p95)",
  );
});

test("JUnit text counts checks, escapes what XML needs and drops what it cannot hold", () => {
  const inconclusive: Check = { ...failed, state: "inconclusive" };
  const text = junitOf([failing, result({ mode: "fix", checks: [inconclusive] })]);
  expect(text).toContain(
    '<testsuites name="verify" tests="3" failures="1" errors="1" skipped="0">',
  );
  expect(text).toContain('<testsuite name="db.test fault" time="1.234" tests="2" failures="1"');
  expect(text).toContain('name="a log line &quot;a &lt; b &amp; c&quot;"');
  expect(text).toContain('<failure message="0 of 2 log lines">');
  expect(text).toContain('<error message="0 of 2 log lines">');
  expect(text).toContain("nearest   log a line");
  expect(text).not.toContain("\u0007");
});

test("GitHub is told file and line of the expectation, escaped as its commands need it", () => {
  const [line, ...more] = annotations([failing, result()], (_, index) => index + 40);
  expect(more).toEqual([]);
  expect(line).toMatch(
    /^::error file=scenarios\/db\/test\.ts,line=41,title=db\.test fault%3A a log/,
  );
  expect(line).not.toContain("\n");
  expect(line).toContain("%0A");
});

const job: Job = {
  scenario: {
    ...{ id: "db.test", title: "", summary: "", story: "", params: {} },
    ...{ modes: ["fault", "control"], expect: [] },
  },
  mode: "control",
};

test("a run that could not be made is inconclusive, with the reason", () => {
  const told = withoutRun(job, { message: "The lab is full.", hint: "Wait." }, "inconclusive", 3);
  expect(told.verdict).toBe("inconclusive");
  expect(resultLines(told).join("\n")).toContain("The lab is full.");
  expect(junitOf([told])).toContain('<error message="The lab is full.">Wait.</error>');
  expect(annotations([told], () => undefined)[0]).toMatch(/^::warning /);
});

test("a control run that looks like the fault fails though its own checks pass", () => {
  const record = { scenario: "db.test", mode: "control", verdict: "pass", checks: [passed] };
  const run = { ...{ page: "", durationMs: 1, verdictMs: 1 }, record: record as never };
  expect(resultOf(job, run, { failed: [3], met: [0] }).verdict).toBe("pass");
  expect(resultOf(job, run, { failed: [], met: [0, 3] })).toMatchObject({
    verdict: "fail",
    trouble: { message: expect.stringContaining("meets all") },
  });
  expect(resultOf(job, run, undefined).verdict).toBe("inconclusive");
});
