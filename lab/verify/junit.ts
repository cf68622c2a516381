import type { Check } from "#lab/api/checks.ts";
import { missLines } from "./check-lines.ts";
import type { JobResult } from "./result.ts";

/**
 * The results as JUnit XML, as CI systems read it: a suite per run, a case per check
 * (https://github.com/testmoapp/junitxml). What could not be judged is an error, not a failure.
 */
export function junitOf(results: readonly JobResult[]): string {
  const suites = results.map(suiteOf);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="verify"${counts(results.flatMap(casesOf))}>`,
    ...suites,
    "</testsuites>",
    "",
  ].join("\n");
}

interface Case {
  readonly name: string;
  readonly kind: "passed" | "failure" | "error" | "skipped";
  readonly message: string;
  readonly details: string;
}

function casesOf({ checks, trouble, verdict }: JobResult): readonly Case[] {
  const told: readonly Case[] =
    trouble === null
      ? []
      : [
          {
            name: "the run as a whole",
            kind: verdict === "fail" ? "failure" : "error",
            message: trouble.message,
            details: trouble.hint,
          },
        ];
  return [...checks.map(caseOf), ...told];
}

function caseOf(check: Check): Case {
  const message = check.seen ?? "";
  const name = check.title;
  switch (check.state) {
    case "pass":
      return { name, kind: "passed", message, details: "" };
    case "fail":
      return { name, kind: "failure", message, details: missLines(check).join("\n") };
    case "not-applicable":
      return { name, kind: "skipped", message, details: "" };
    case "pending":
    case "inconclusive":
    case "declared":
      return { name, kind: "error", message, details: missLines(check).join("\n") };
  }
}

function suiteOf(result: JobResult): string {
  const { scenario, mode, durationMs } = result;
  const cases = casesOf(result);
  const seconds = (durationMs / 1000).toFixed(3);
  return [
    `  <testsuite name="${escaped(`${scenario} ${mode}`)}" time="${seconds}"${counts(cases)}>`,
    ...cases.map(({ name, kind, message, details }) => {
      const open = `    <testcase classname="${escaped(`${scenario}.${mode}`)}" name="${escaped(name)}"`;
      if (kind === "passed") return `${open}/>`;
      return `${open}><${kind} message="${escaped(message)}">${escaped(details)}</${kind}></testcase>`;
    }),
    "  </testsuite>",
  ].join("\n");
}

function counts(cases: readonly Case[]): string {
  const of = (kind: Case["kind"]) => cases.filter((one) => one.kind === kind).length;
  return ` tests="${cases.length}" failures="${of("failure")}" errors="${of("error")}" skipped="${of("skipped")}"`;
}

/** XML 1.0 has no way to write most control characters: they are left out. */
const escaped = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go.
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;");
