import { SvelteMap } from "svelte/reactivity";
import { routes } from "#lab/api/routes.ts";
import {
  type CreatedRun,
  type CreateRun,
  type Observation,
  waitForOthersMs,
} from "#lab/api/run-request.ts";
import type { ScenarioCard } from "#lab/api/scenarios.ts";
import type { Mode } from "#scenarios/mode.ts";
import { attribute, header, rootSpanName } from "#scenarios/names.ts";
import {
  loadStage,
  type RunStage,
  type StageAnswer,
  type StageComponent,
  showStage,
} from "../stages/stage.ts";
import { flushTelemetry, type Interaction, interaction } from "../telemetry/telemetry.ts";
import { postJson } from "./api.ts";
import { clientId } from "./client-id.ts";
import type { ParamValues } from "./draft.svelte.ts";

/** What to run. */
export interface Order {
  readonly scenario: Pick<ScenarioCard, "id">;
  readonly mode: Mode;
  readonly params: ParamValues;
}

/** Drives scenarios from this page: takes the ticket, opens the root span, sends the request. */
export class Driver {
  /** Stages on show, by run id. */
  readonly stages = new SvelteMap<string, RunStage>();
  /** Trace id of each run driven here, known before the lab hears of it. */
  readonly traces = new SvelteMap<string, string>();
  /** Scenarios with a request for a ticket under way. */
  readonly ordering = new SvelteMap<string, true>();

  /**
   * Starts a run and goes on driving it in the background. Resolves with its id as soon as the lab
   * has accepted it. @throws ApiError when the lab refuses.
   */
  async start(order: Order): Promise<string> {
    this.ordering.set(order.scenario.id, true);
    try {
      const run = await postJson<CreatedRun>(routes.runs, {
        scenario: order.scenario.id,
        mode: order.mode,
        params: order.params,
        ...{ client: clientId, waitMs: waitForOthersMs },
      } satisfies CreateRun);
      void this.#drive(run, order);
      return run.runId;
    } finally {
      this.ordering.delete(order.scenario.id);
    }
  }

  async #drive(run: CreatedRun, order: Order): Promise<void> {
    const observation = await this.#act(run, order).catch(
      (error: unknown): Partial<Observation> => ({
        answer: { status: 0, durationMs: 0, error: String(error).slice(0, 500) },
      }),
    );
    await flushTelemetry();
    await report(run.runId, { driver: "lab-web", ...observation, ended: true });
  }

  async #act(run: CreatedRun, order: Order): Promise<Partial<Observation>> {
    // Loaded before the trace begins: its download is no part of what the scenario shows.
    const Stage = run.stage ? await loadStage(order.scenario.id) : undefined;
    const labels = {
      [attribute.runId]: run.runId,
      [attribute.scenarioId]: order.scenario.id,
      [attribute.scenarioMode]: order.mode,
    };
    return await interaction(
      rootSpanName(order.scenario.id),
      { attributes: labels, baggage: labels },
      async (it) => {
        if (it.traceId !== undefined) this.traces.set(run.runId, it.traceId);
        const seen = await (Stage === undefined
          ? request(it, run)
          : this.#perform(Stage, it, run, order));
        return it.traceId === undefined ? seen : { traceId: it.traceId, ...seen };
      },
    );
  }

  #perform(
    Stage: StageComponent,
    it: Interaction,
    run: CreatedRun,
    order: Order,
  ): Promise<Partial<Observation>> {
    return showStage(Stage, {
      mode: order.mode,
      params: order.params,
      request: (signal) => call(it, run, signal),
      onShow: (stage) => this.stages.set(run.runId, stage),
    });
  }
}

async function request(it: Interaction, run: CreatedRun): Promise<Partial<Observation>> {
  const { body: _, thrown: __, ...answer } = await call(it, run);
  return { answer };
}

/** The scenario's request. A broken connection is an answer too: status 0. */
async function call(
  it: Interaction,
  { drive, ticket }: CreatedRun,
  signal: AbortSignal | null = patienceOf(drive),
): Promise<StageAnswer> {
  const startedAt = performance.now();
  const took = () => performance.now() - startedAt;
  try {
    const response = await it.fetch(drive.path, {
      method: drive.method,
      headers: { "content-type": "application/json", [header.csrf]: "1", [header.ticket]: ticket },
      body: "{}",
      signal,
    });
    const body: unknown = await response.json().catch(() => undefined);
    return { status: response.status, durationMs: took(), body };
  } catch (error) {
    const said = String(error).slice(0, 500);
    return { status: 0, durationMs: took(), error: said, body: undefined, thrown: error };
  }
}

const patienceOf = ({ leaveAfterMs }: CreatedRun["drive"]): AbortSignal | null =>
  leaveAfterMs === undefined ? null : AbortSignal.timeout(leaveAfterMs);

/** Tells the lab what the page saw. The run ends without it too, only later. */
async function report(runId: string, observation: Observation): Promise<void> {
  try {
    await postJson(routes.observations(runId), observation);
  } catch (error) {
    console.warn("the lab did not take the observation", error);
  }
}

/** The one driver of the page. */
export const driver = new Driver();
