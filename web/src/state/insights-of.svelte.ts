import { type Insight, type InsightsBody, type RunRecord, routes } from "#lab/api.ts";
import { ApiError, getJson } from "./api.ts";

/** What the lab's rules find in one run's spans: asked once the run is over. */
export class InsightsOf {
  list = $state.raw<readonly Insight[] | undefined>();
  /** What to say while there is no list. */
  missing = $state("Known once the run has settled");
  readonly #runId: string;
  #asked = false;

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** Reads them when the run is over; later calls do nothing. */
  async readAfter(state: RunRecord["state"] | undefined): Promise<void> {
    if (this.#asked || (state !== "settled" && state !== "expired")) return;
    this.#asked = true;
    try {
      this.list = (await getJson<InsightsBody>(routes.insights(this.#runId))).insights;
    } catch (error) {
      this.missing =
        error instanceof ApiError && error.code === "evidence-gone"
          ? "The evidence of this run is not kept any more. Run it again."
          : "The lab did not answer. Reload the page to ask again.";
    }
  }
}
