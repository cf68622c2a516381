import { loadCatalogue } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { longWaitForOthersMs } from "../api/run-request.ts";
import { performRun } from "../cli/perform-run.ts";
import { carryOut } from "../verify/plan.ts";
import type { Benchmark } from "./benchmark.ts";
import { startLab } from "./lab-under-test.ts";
import { digits, percentile } from "./statistics.ts";

/** One of everything that can break: database, cache, storage, sign-in, process, pipeline. */
const core = [
  "db.missing-index",
  "db.n-plus-one",
  "db.deadlock",
  "db.pool-exhaustion",
  "cache.stampede",
  "cache.down-fallback",
  "s3.presigned-expiry",
  "auth.bad-response",
  "run.uncaught-crash",
  "run.eventloop-block",
  "pipe.collector-down",
  "pipe.redaction",
];
const repetitions = 10;

interface Judged {
  readonly scenario: string;
  readonly verdict: string;
  readonly verdictMs: number;
}

/** How often the same fault gets the same verdict, and how long that takes. */
export const verifyBenchmark: Benchmark = {
  id: "verify",
  title: `Verdicts of ${core.length} core scenarios, ${repetitions} times each`,
  run: async () => {
    const catalogue = await loadCatalogue();
    const scenarios = core.flatMap((id) => catalogue.get(id) ?? []);
    if (scenarios.length < core.length) throw new Error("a core scenario is missing");
    await using lab = await startLab();
    const address = { origin: lab.origin, token: undefined };
    const judged: Judged[] = [];
    const judge = async (scenario: Scenario): Promise<void> => {
      const order = {
        ...{ scenario: scenario.id, mode: "fault" as const, waitMs: longWaitForOthersMs },
      };
      const { verdict, endedAt } = await performRun(address, order, scenario, {
        ...{ env: process.env, say: console.error },
      });
      const verdictMs = Date.now() - (endedAt ?? Date.now());
      judged.push({ scenario: scenario.id, verdict, verdictMs });
    };
    const startedAt = performance.now();
    const rounds = Array.from({ length: repetitions }, () => scenarios).flat();
    const jobs = rounds.map((scenario) => ({ scenario, mode: "fault" as const }));
    await carryOut(jobs, ({ scenario }) => judge(scenario));
    const runs = judged.length;
    const odd = judged.filter((one) => one.verdict !== usualOf(judged, one.scenario));
    const passed = judged.filter(({ verdict }) => verdict === "pass").length;
    const waits = judged.map(({ verdictMs }) => verdictMs);
    return [
      {
        what: `equal verdicts${odd.map((one) => `; ${one.scenario} ${one.verdict}`).join("")}`,
        value: `${runs - odd.length} of ${runs}`,
        bound: `≥ ${runs - 1}`,
        samples: runs,
      },
      { what: "of them pass", value: `${passed}`, samples: runs },
      ...[50, 95].map((p) => ({
        what: `p${p}, end of the run → verdict`,
        value: `${digits(percentile(waits, p))} ms`,
        ...(p === 95 ? { bound: "≤ 5 s" } : {}),
        samples: runs,
      })),
      {
        what: "all runs",
        value: `${digits((performance.now() - startedAt) / 1000)} s`,
        samples: runs,
      },
    ];
  },
};

/** The verdict that a scenario gets most often. */
function usualOf(judged: readonly Judged[], scenario: string): string | undefined {
  const own = judged.filter((one) => one.scenario === scenario).map(({ verdict }) => verdict);
  const count = (verdict: string): number => own.filter((one) => one === verdict).length;
  return own.toSorted((a, b) => count(b) - count(a))[0];
}
