import { routes } from "#lab/api/routes.ts";
import type { RunRecord, RunsBody, RunsFilter } from "#lab/api/runs.ts";
import { type Apology, apologyOf, getJson } from "./api.ts";
import type { Lab, RunsRead } from "./lab.svelte.ts";

/** Runs read at a time. */
const pageSize = 100;

/** The runs that a filter is true of, newest first: as far back as somebody has looked, and new ones as they come. */
export class RunHistory {
  readonly #lab: Pick<Lab, "history" | "runs" | "runsRead">;
  readonly #filter: RunsFilter;
  /** Oldest run that was read for this filter. */
  #readFrom = $state<string | undefined>();
  #total = $state.raw<Pick<RunsRead, "newest" | "total"> | undefined>();
  /** There is nothing older. */
  complete = $state(false);
  reading = $state(false);
  trouble = $state.raw<Apology | undefined>();

  /** Runs from here on are known; undefined until anything is. */
  readonly #from = $derived.by(() => {
    const from = this.#lab.runsRead?.from;
    if (this.#readFrom === undefined || from === undefined) return from;
    return this.#readFrom < from ? this.#readFrom : from;
  });
  readonly shown = $derived.by((): readonly RunRecord[] => {
    const from = this.#from;
    if (from === undefined) return [];
    return this.#lab.history.filter((run) => run.runId >= from && isMeant(run, this.#filter));
  });
  /** How many there are in all; undefined until the lab has said. */
  readonly total = $derived.by(() => {
    if (this.complete) return this.shown.length;
    const everything = Object.values(this.#filter).every((wanted) => !wanted);
    const told = this.#total ?? (everything ? this.#lab.runsRead : undefined);
    if (told === undefined) return undefined;
    return told.total + this.shown.filter(({ runId }) => runId > told.newest).length;
  });

  constructor(lab: Pick<Lab, "history" | "runs" | "runsRead">, filter: RunsFilter) {
    this.#lab = lab;
    this.#filter = filter;
  }

  /** Reads the next older ones. Never rejects: what failed is in `trouble`. */
  async readOn(): Promise<void> {
    const before = this.#from;
    if (this.reading || this.complete || before === undefined) return;
    this.reading = true;
    const newest = this.#lab.history[0]?.runId ?? "";
    try {
      const { runs, total } = await getJson<RunsBody>(this.#pageBefore(before));
      for (const run of runs) {
        // What the stream has told meanwhile is newer.
        if (!this.#lab.runs.has(run.runId)) this.#lab.runs.set(run.runId, run);
      }
      this.#readFrom = runs.at(-1)?.runId ?? before;
      this.#total = { total, newest };
      this.complete = runs.length < pageSize;
      this.trouble = undefined;
    } catch (error) {
      this.trouble = apologyOf(error);
    } finally {
      this.reading = false;
    }
  }

  #pageBefore(runId: string): string {
    const asked = Object.entries({ ...this.#filter, limit: String(pageSize) }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "",
    );
    if (runId !== "") asked.push(["before", runId]);
    return `${routes.runs}?${new URLSearchParams(asked)}`;
  }
}

/** As the lab filters: new runs come without being asked for. */
function isMeant(run: RunRecord, { mode, verdict, q = "" }: RunsFilter): boolean {
  const kind = run.verdict === "pass" || run.verdict === "fail" ? run.verdict : "other";
  return (
    (mode === undefined || run.mode === mode) &&
    (verdict === undefined || kind === verdict) &&
    `${run.scenario} ${run.runId} ${run.traceIds.join(" ")}`.includes(q.trim().toLowerCase())
  );
}
