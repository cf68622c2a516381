import type { APIRequestContext } from "playwright/test";
import type { OtlpSpan, OtlpTrace } from "../../lab/api/otlp.ts";
import { routes } from "../../lab/api/routes.ts";
import {
  type CreatedRun,
  type CreateRun,
  type Observation,
  waitForOthersMs,
} from "../../lab/api/run-request.ts";
import type { RunRecord } from "../../lab/api/runs.ts";
import type { ScenarioCard, ScenariosBody } from "../../lab/api/scenarios.ts";
import type { Expectation } from "../../scenarios/expectation.ts";
import type { Mode } from "../../scenarios/mode.ts";
import { header } from "../../scenarios/names.ts";

/** A span with the service that sent it. */
export interface SentSpan extends OtlpSpan {
  readonly service: string;
}

/** Every span of a trace, as the lab stores it. */
export async function spansOf(request: APIRequestContext, traceId: string): Promise<SentSpan[]> {
  const answer = await request.get(routes.trace(traceId));
  // A trace that was sampled away is known by its log lines only.
  if (answer.status() === 404) return [];
  const trace = (await answer.json()) as OtlpTrace;
  return trace.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service =
      resource?.attributes?.find(({ key }) => key === "service.name")?.value?.stringValue ?? "";
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service })));
  });
}

/** A run's record, now. */
export const recordOf = async (request: APIRequestContext, runId: string): Promise<RunRecord> =>
  (await (await request.get(routes.run(runId))).json()) as RunRecord;

/**
 * Asks for a run as the page does: it waits for what a run before it still holds.
 * @param headers more than such a request needs.
 */
export async function createRun(
  request: APIRequestContext,
  order: CreateRun,
  headers: Readonly<Record<string, string>> = {},
): Promise<CreatedRun> {
  const answer = await request.post(routes.runs, {
    headers: { [header.csrf]: "1", ...headers },
    data: { waitMs: waitForOthersMs, ...order },
  });
  if (!answer.ok()) throw new Error(`no run of ${order.scenario}: ${await answer.text()}`);
  return (await answer.json()) as CreatedRun;
}

/** Ends a run that nobody drives: it holds what it needs until then, or until its time is over. */
export async function endRun(request: APIRequestContext, runId: string): Promise<void> {
  const observation: Observation = { driver: "lab-cli", ended: true };
  const answer = await request.post(routes.observations(runId), {
    headers: { [header.csrf]: "1" },
    data: observation,
  });
  if (!answer.ok()) throw new Error(`run ${runId} was not ended: ${await answer.text()}`);
}

/** A scenario's card, as the page gets it. */
export async function cardOf(request: APIRequestContext, id: string): Promise<ScenarioCard> {
  const { scenarios } = (await (await request.get(routes.scenarios)).json()) as ScenariosBody;
  const card = scenarios.find((scenario) => scenario.id === id);
  if (card === undefined) throw new Error(`the lab does not list ${id}`);
  return card;
}

/** What a scenario promises of one kind of signal in a mode, leaving out what must be absent. */
export function promised<S extends Expectation["signal"]>(
  card: ScenarioCard,
  mode: Mode,
  signal: S,
): Extract<Expectation, { readonly signal: S }>[] {
  return card.expect.filter(
    (expectation): expectation is Extract<Expectation, { readonly signal: S }> =>
      expectation.signal === signal &&
      (expectation.modes ?? ["fault"]).includes(mode) &&
      !("count" in expectation && expectation.count === 0),
  );
}
