import type { ComponentExpectation } from "#scenarios/expectation.ts";
import { meets } from "./compare.ts";
import { allOf, type Finding } from "./finding.ts";
import type { Prepared } from "./prepare.ts";
import { decide } from "./quantity.ts";
import { runRecordQuery } from "./run-record-query.ts";

/** Judges how often a component restarted, and the codes it exited with while the run lasted. */
export function judgeComponent(
  { component, restarts, exitCode }: ComponentExpectation,
  { evidence }: Prepared,
): Finding {
  const { settled, runId } = evidence;
  const verdicts: Finding["verdict"][] = [];
  const seen: string[] = [];
  if (restarts !== undefined) {
    const count = Object.hasOwn(evidence.restarts, component)
      ? (evidence.restarts[component] ?? 0)
      : 0;
    verdicts.push(decide(restarts, count, { settled, grows: true }));
    seen.push(`${count} restarts`);
  }
  if (exitCode !== undefined) {
    const codes = Object.hasOwn(evidence.exitCodes, component)
      ? (evidence.exitCodes[component] ?? [])
      : [];
    const wrong = codes.some((code) => !meets(exitCode, code));
    const holds = codes.length > 0 ? !wrong : meets(exitCode, undefined);
    verdicts.push(wrong ? "fail" : settled ? (holds ? "pass" : "fail") : "pending");
    seen.push(codes.length > 0 ? `exited with ${codes.join(", ")}` : "did not exit");
  }
  return {
    verdict: allOf(verdicts),
    seen: `${component}: ${seen.join(", ")}`,
    nearest: null,
    query: runRecordQuery(runId),
  };
}
