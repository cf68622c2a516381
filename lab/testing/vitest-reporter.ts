import type { Reporter, TestCase, TestModule } from "vitest/node";
import { type Counts, noTests, sum } from "./closing-line.ts";
import { report } from "./counts-file.ts";

/** Counts tests for the closing line. Errors outside of tests, and files that did not load, are failures. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    report(sum([...modules.map(countModule), { ...noTests, failed: unhandledErrors.length }]));
  }
}

function countModule(module: TestModule): Counts {
  // `errors()` holds what happened outside of tests: a file that does not load, a failed `beforeAll`.
  const outside = module.errors().length > 0 ? 1 : 0;
  const tests = [...module.children.allTests()].map((test) => count(test.result().state));
  return sum([{ ...noTests, failed: outside }, ...tests]);
}

function count(state: ReturnType<TestCase["result"]>["state"]): Counts {
  switch (state) {
    case "passed":
      return { ...noTests, passed: 1 };
    case "skipped":
      return { ...noTests, skipped: 1 };
    // A test still pending at the end never got to run.
    case "pending":
    case "failed":
      return { ...noTests, failed: 1 };
  }
}
