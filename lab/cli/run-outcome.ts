import type { OtlpTrace, RunRecord } from "#lab/api.ts";
import type { Comparison, Expectation, Mode, Scenario } from "#scenarios/define.ts";
import { traceService } from "#scenarios/names.ts";

/**
 * How a run ended. A judged run is as good as its verdict. While nothing judges it, it passes when
 * the drive went as the scenario declares and its trace has spans of driver and server; what the
 * expectations say is not claimed.
 */
export type Outcome =
  | { readonly exitCode: 0; readonly words: string }
  | { readonly exitCode: 1 | 2; readonly words: string };

export function outcomeOf(
  record: RunRecord,
  trace: OtlpTrace | undefined,
  scenario: Pick<Scenario, "expect" | "serve">,
): Outcome {
  switch (record.verdict) {
    case "pass":
      return { exitCode: 0, words: "Everything the scenario declares was seen." };
    case "fail":
      return { exitCode: 1, words: "Something the scenario declares was not seen." };
    case "pending":
    case "inconclusive":
    case "not-applicable":
      return { exitCode: 2, words: `The verdict is "${record.verdict}".` };
    case "declared":
      return unjudged(record, trace, scenario);
  }
}

function unjudged(
  record: RunRecord,
  trace: OtlpTrace | undefined,
  { expect, serve }: Pick<Scenario, "expect" | "serve">,
): Outcome {
  // What happens in the page alone has no answer and reaches no server.
  const unmeant = serve === undefined ? undefined : unmeantAnswer(record, expect);
  if (unmeant !== undefined) return { exitCode: 1, words: unmeant };
  const services = servicesOf(trace);
  const wanted = [record.driver ?? traceService.cli, ...(serve ? [traceService.server] : [])];
  const missing = wanted.filter((name) => !services.has(name));
  if (missing.length > 0) {
    return { exitCode: 2, words: `No span of ${missing.join(" and ")} arrived in time.` };
  }
  if (record.state !== "settled") {
    return { exitCode: 2, words: "The run's time was over before its telemetry came to rest." };
  }
  return {
    exitCode: 0,
    words: "The trace is complete. Nothing judges the declared expectations yet.",
  };
}

/** Why the answer is not what the scenario means to give in this mode; undefined when it is. */
function unmeantAnswer(
  { answer, mode }: RunRecord,
  expect: readonly Expectation[],
): string | undefined {
  if (answer === null) return "The request that drives the scenario got no answer.";
  const declared = expect.flatMap((expectation) =>
    expectation.signal === "answer" &&
    expectation.status !== undefined &&
    holdsIn(expectation, mode)
      ? [expectation.status]
      : [],
  );
  if (declared.length > 0) {
    return declared.every((status) => meets(answer.status, status))
      ? undefined
      : `The scenario was answered with ${answer.status}, which it does not declare.`;
  }
  if (answer.status === 0) return `The connection broke: ${answer.error ?? "no reason given"}.`;
  return answer.status < 500 ? undefined : `The scenario was answered with ${answer.status}.`;
}

const holdsIn = ({ modes }: Expectation, mode: Mode): boolean =>
  (modes ?? ["fault"]).includes(mode);

/** Statuses are plain numbers: placeholders, patterns and the like say nothing here. */
function meets(status: number, comparison: Comparison): boolean {
  if (typeof comparison !== "object") return Number(comparison) === status;
  const { eq, ne, gt, gte, lt, lte, in: list } = comparison;
  return (
    (eq === undefined || Number(eq) === status) &&
    (ne === undefined || Number(ne) !== status) &&
    (gt === undefined || status > Number(gt)) &&
    (gte === undefined || status >= Number(gte)) &&
    (lt === undefined || status < Number(lt)) &&
    (lte === undefined || status <= Number(lte)) &&
    (list === undefined || list.some((value) => Number(value) === status))
  );
}

function servicesOf(trace: OtlpTrace | undefined): ReadonlySet<string> {
  return new Set(
    (trace?.resourceSpans ?? []).flatMap(({ resource }) =>
      (resource?.attributes ?? [])
        .filter(({ key }) => key === "service.name")
        .flatMap(({ value }) => value?.stringValue ?? []),
    ),
  );
}
