import { isOver, type RunRecord } from "#lab/api/runs.ts";
import { ApiError, getJson } from "./api.ts";

/** What the lab makes of one run's evidence: asked once, when the run is over. */
export class AfterRun<T> {
  value = $state.raw<T | undefined>();
  /** What to say while there is no value. */
  missing = $state("Known once the run has settled");
  readonly #route: string;
  #asked = false;

  constructor(route: string) {
    this.#route = route;
  }

  /** Reads it when the run is over; later calls do nothing. */
  async readAfter(state: RunRecord["state"] | undefined): Promise<void> {
    if (this.#asked || state === undefined || !isOver({ state })) return;
    this.#asked = true;
    try {
      this.value = await getJson<T>(this.#route);
    } catch (error) {
      this.missing =
        error instanceof ApiError && error.code === "evidence-gone"
          ? "The evidence of this run is not kept any more. Run it again."
          : "The lab did not answer. Reload the page to ask again.";
    }
  }
}
