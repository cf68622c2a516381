import type { Verdict } from "#lab/api/checks.ts";
import { worst } from "#lab/judge/finding.ts";
import { scenarioFile } from "#scenarios/catalogue.ts";
import { missLines } from "./check-lines.ts";
import type { JobResult } from "./result.ts";

/**
 * Exit code of a verification: 0 pass, 1 fail, 2 something could not be judged.
 * @param strict what this lab or machine has not got counts as not judged.
 */
export function exitCodeOf(results: readonly JobResult[], strict = false): 0 | 1 | 2 {
  const verdict = verdictOf(results);
  switch (verdict) {
    case "pass":
    case "not-applicable":
      // Where nothing could be judged, nothing was shown.
      if (!results.some((one) => one.verdict === "pass")) return 2;
      return strict && results.some(lacksSource) ? 2 : 0;
    case "fail":
      return 1;
    case "pending":
    case "inconclusive":
      return 2;
  }
}

const lacksSource = ({ verdict, checks }: JobResult): boolean =>
  verdict === "not-applicable" || checks.some(({ state }) => state === "not-applicable");

/** As good as the worst job. Nothing verified is nothing shown. */
export const verdictOf = (results: readonly JobResult[]): Verdict =>
  results.length === 0 ? "inconclusive" : worst(results.map(({ verdict }) => verdict));

const marks: Readonly<Record<Verdict, string>> = {
  pass: "✓ pass",
  fail: "✗ fail",
  pending: "? pending",
  inconclusive: "? inconclusive",
  "not-applicable": "· not applicable",
};

/** One job in one line, and below it what went wrong. */
export function resultLines(result: JobResult): readonly string[] {
  const { scenario, mode, verdict, checks, apart, trouble, durationMs, page } = result;
  const passed = checks.filter(({ state }) => state === "pass").length;
  const words = [
    `${passed} of ${checks.length} checks`,
    ...(apart ? [`${apart.failed.length} of the fault's fail, as they should`] : []),
    `${(durationMs / 1000).toFixed(1)} s`,
  ];
  const wrong = checks.filter(({ state }) => state !== "pass" && state !== "not-applicable");
  return [
    `${marks[verdict].padEnd(16)} ${scenario.padEnd(24)} ${mode.padEnd(8)} ${words.join(", ")}`,
    ...(trouble === null ? [] : [`    ${trouble.message}`, `    hint      ${trouble.hint}`]),
    ...wrong.flatMap((check) => missLines(check).map((line) => `    ${line}`)),
    ...(verdict !== "pass" && page !== null ? [`    page      ${page}`] : []),
  ];
}

/** The end of the report. */
export function summaryLine(results: readonly JobResult[], durationMs: number): string {
  const count = (verdict: Verdict) => results.filter((one) => one.verdict === verdict).length;
  const words = (["pass", "fail", "inconclusive", "pending", "not-applicable"] as const)
    .filter((verdict) => count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${verdict}`);
  const waits = results.flatMap(({ verdictMs }) => verdictMs ?? []).sort((a, b) => a - b);
  const p95 = waits[Math.ceil(waits.length * 0.95) - 1];
  const wait =
    p95 === undefined ? "" : `; verdict ${(p95 / 1000).toFixed(1)} s after a run's end (p95)`;
  return `${results.length} runs: ${words.join(", ") || "none"}, ${(durationMs / 1000).toFixed(1)} s${wait}`;
}

/**
 * What went wrong as GitHub's workflow commands, which show beside the line of the scenario's file
 * (https://docs.github.com/actions/reference/workflow-commands-for-github-actions).
 * @param lineOf line of an expectation in its scenario's file; undefined where it is not known.
 */
export function annotations(
  results: readonly JobResult[],
  lineOf: (scenario: string, index: number) => number | undefined,
): readonly string[] {
  return results.flatMap((result) => {
    const { scenario, mode, trouble, verdict } = result;
    const file = `scenarios/${scenarioFile(scenario)}`;
    const command = verdict === "fail" ? "error" : "warning";
    const whole =
      trouble === null
        ? []
        : [
            `::${command} file=${property(file)},title=${property(`${scenario} ${mode}`)}::${data(`${trouble.message} ${trouble.hint}`)}`,
          ];
    const checks = result.checks
      .filter(({ state }) => state === "fail")
      .map((check) => {
        const line = lineOf(scenario, check.index);
        const at = line === undefined ? "" : `,line=${line}`;
        const title = property(`${scenario} ${mode}: ${check.title}`);
        return `::error file=${property(file)}${at},title=${title}::${data(missLines(check).join("\n"))}`;
      });
    return [...whole, ...checks];
  });
}

const data = (text: string): string =>
  text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
const property = (text: string): string => data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
