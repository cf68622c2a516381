import type { RunRecord } from "#lab/api/runs.ts";

/** How a run ended: it is as good as its verdict. */
export interface Outcome {
  readonly exitCode: 0 | 1 | 2;
  readonly words: string;
}

export function outcomeOf({ verdict, checks }: Pick<RunRecord, "verdict" | "checks">): Outcome {
  const many = `${checks.length} ${checks.length === 1 ? "check" : "checks"}`;
  const of = (state: RunRecord["verdict"]) => checks.filter((one) => one.state === state).length;
  switch (verdict) {
    case "pass":
      return { exitCode: 0, words: `Passed: ${of("pass")} of ${many}.` };
    case "fail":
      return { exitCode: 1, words: `Failed: ${of("fail")} of ${many}.` };
    case "inconclusive":
      return {
        exitCode: 2,
        words: `Inconclusive: ${of("inconclusive")} of ${many}, because a source that should answer did not.`,
      };
    case "pending":
      return {
        exitCode: 2,
        words: `Not judged in time: ${of("pending")} of ${many} still wait for telemetry.`,
      };
    case "not-applicable":
      return { exitCode: 2, words: "Nothing that can be seen here is expected in this mode." };
    case "declared":
      return { exitCode: 2, words: "Not judged: this lab is older than its judge." };
  }
}
