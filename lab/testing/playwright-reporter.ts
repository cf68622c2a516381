import type { FullResult, Reporter, Suite, TestError } from "playwright/types/testReporter";
import { type Counts, noTests, sum } from "./closing-line.ts";
import { report } from "./counts-file.ts";

/** Counts browser journeys for the closing line. Errors outside of tests (global set-up, a file that does not load) are failures. */
export default class ClosingLineReporter implements Reporter {
  #suite: Suite | undefined;
  #outside = 0;

  onBegin(_config: unknown, suite: Suite): void {
    this.#suite = suite;
  }

  onError(_error: TestError): void {
    this.#outside += 1;
  }

  onEnd(result: FullResult): void {
    const counts = sum((this.#suite?.allTests() ?? []).map((test) => count(test.outcome())));
    const failed = counts.failed + this.#outside;
    // Interrupted or out of time without a failed test is a failure all the same.
    const unexplained = result.status !== "passed" && failed === 0 ? 1 : 0;
    report({ ...counts, failed: failed + unexplained });
  }

  printsToStdio(): boolean {
    return false;
  }
}

function count(outcome: "skipped" | "expected" | "unexpected" | "flaky"): Counts {
  switch (outcome) {
    case "skipped":
      return { ...noTests, skipped: 1 };
    case "expected":
      return { ...noTests, passed: 1 };
    case "flaky":
    case "unexpected":
      return { ...noTests, failed: 1 };
  }
}
