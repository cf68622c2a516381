import { SvelteMap } from "svelte/reactivity";
import type { LabEvent } from "#lab/api/events.ts";
import { routes } from "#lab/api/routes.ts";
import { linkedServices, type RunRecord, type RunsBody } from "#lab/api/runs.ts";
import type { ScenarioCard, ScenariosBody } from "#lab/api/scenarios.ts";
import type { ServiceStatus, StatusBody } from "#lab/api/services.ts";
import { type Apology, apologyOf, getJson } from "./api.ts";
import { clientId } from "./client-id.ts";
import { followEvents, type StreamMessage } from "./event-stream.ts";

/** What the lab said of a trace that just grew. */
export type TelemetryEvent = Extract<LabEvent, { readonly type: "telemetry" }>;

/** `loading` until the first answer; `lost` while the lab cannot be reached. */
export type Connection = "loading" | "live" | "lost";

/** What the lab told of its history. */
export interface RunsRead {
  /** No run from this one on is missing; empty: none at all. */
  readonly from: string;
  /** Newest run that was told, or empty. */
  readonly newest: string;
  /** How many runs there were, older ones included. */
  readonly total: number;
}

/** Changes come in bursts: one reading for all of one. */
const settleMs = 100;

/** The lab as the page knows it: read once, then kept current by the event stream. */
export class Lab {
  connection = $state<Connection>("loading");
  status = $state.raw<Omit<StatusBody, "services"> | undefined>();
  services = $state.raw<readonly ServiceStatus[]>([]);
  scenarios = $state.raw<readonly ScenarioCard[]>([]);
  /** Known runs by id. Those of the history list and those looked at. */
  readonly runs = new SvelteMap<string, RunRecord>();
  /** What was read of the history; undefined until it was. */
  runsRead = $state.raw<RunsRead | undefined>();
  /** What is wrong with the last reading, if anything. */
  trouble = $state.raw<Apology | undefined>();

  readonly #telemetryListeners = new Set<(event: TelemetryEvent) => void>();
  readonly #resyncListeners = new Set<() => void>();
  readonly #movedListeners = new Set<() => void>();
  #scenariosDue: ReturnType<typeof setTimeout> | undefined;

  /** History, newest first. */
  readonly history = $derived.by(() =>
    [...this.runs.values()].sort((a, b) => b.startedAt - a.startedAt),
  );

  /** Services that are to run and do not. */
  readonly troubled = $derived(
    this.services.filter(({ kind, state }) => kind !== "absent" && state !== "ready"),
  );

  /**
   * Follows the event stream until the signal aborts, and reads everything once the stream is open,
   * so that nothing can happen in between.
   */
  follow(signal: AbortSignal): Promise<void> {
    return followEvents(
      `${routes.events}?client=${clientId}`,
      {
        onOpen: (fresh) => {
          const returned = this.connection === "lost";
          this.connection = "live";
          if (fresh || returned) this.#resync();
        },
        onMessage: (message) => this.#take(message),
        onBroken: () => {
          if (this.connection === "loading") void this.readAll();
          this.connection = "lost";
        },
      },
      signal,
    );
  }

  /** Reads status, scenarios and history anew. Never rejects: what failed is in `trouble`. */
  async readAll(): Promise<void> {
    const readings = await Promise.allSettled([
      this.#readStatus(),
      this.readScenarios(),
      this.#readRuns(),
    ]);
    const failed = readings.find((reading) => reading.status === "rejected");
    this.trouble = failed === undefined ? undefined : apologyOf(failed.reason);
  }

  async readScenarios(): Promise<void> {
    const { scenarios } = await getJson<ScenariosBody>(routes.scenarios);
    this.scenarios = scenarios;
  }

  /** Reads one run that the history may not hold. @throws ApiError */
  async readRun(runId: string): Promise<RunRecord> {
    const run = await getJson<RunRecord>(routes.run(runId));
    this.runs.set(run.runId, run);
    return run;
  }

  /** Calls back when a trace grew. Returns the function that ends it. */
  onTelemetry(listener: (event: TelemetryEvent) => void): () => void {
    this.#telemetryListeners.add(listener);
    return () => this.#telemetryListeners.delete(listener);
  }

  /** Calls back when messages may have been missed. Returns the function that ends it. */
  onResync(listener: () => void): () => void {
    this.#resyncListeners.add(listener);
    return () => this.#resyncListeners.delete(listener);
  }

  /** Calls back when a service that runs lead to moved, came or went. Returns the function that ends it. */
  onMoved(listener: () => void): () => void {
    this.#movedListeners.add(listener);
    return () => this.#movedListeners.delete(listener);
  }

  async #readStatus(): Promise<void> {
    const { services, ...status } = await getJson<StatusBody>(routes.status);
    this.services = services;
    this.status = status;
  }

  async #readRuns(): Promise<void> {
    const { runs, total } = await getJson<RunsBody>(routes.runs);
    const from = this.runsRead?.from;
    const joined = runs.some(({ runId }) => this.runs.has(runId) && runId >= (from ?? ""));
    for (const run of runs) this.runs.set(run.runId, run);
    this.runsRead = {
      // Where nothing known is among them, more has happened than was told: older ones lie beyond a gap.
      from: from === undefined || !joined ? (runs.at(-1)?.runId ?? "") : from,
      newest: runs[0]?.runId ?? "",
      total,
    };
  }

  #take({ data }: StreamMessage): void {
    const event = JSON.parse(data) as LabEvent;
    switch (event.type) {
      case "service":
        this.#takeService(event.service);
        return;
      case "run":
        this.#takeRun(event.run);
        return;
      case "telemetry":
        for (const listener of this.#telemetryListeners) listener(event);
        return;
      case "resync":
        this.#resync();
        return;
    }
  }

  #takeService(service: ServiceStatus): void {
    const before = this.services.find(({ id }) => id === service.id);
    this.services = replaceBy(this.services, service, ({ id }) => id);
    const changed = before?.state !== service.state;
    if (changed) this.#readScenariosSoon();
    if (!isLinked(service) || !(changed || before?.url !== service.url)) return;
    for (const listener of this.#movedListeners) listener();
  }

  /** What can run depends on the services; the lab alone knows how. */
  #readScenariosSoon(): void {
    clearTimeout(this.#scenariosDue);
    this.#scenariosDue = setTimeout(() => {
      this.readScenarios().catch((error: unknown) => {
        this.trouble = apologyOf(error);
      });
    }, settleMs);
  }

  #takeRun(run: RunRecord): void {
    this.runs.set(run.runId, run);
    if (run.selfTest) return;
    this.scenarios = this.scenarios.map((card) =>
      card.id === run.scenario ? { ...card, lastRuns: withRun(card.lastRuns, run) } : card,
    );
  }

  #resync(): void {
    void this.readAll();
    for (const listener of this.#resyncListeners) listener();
  }
}

const isLinked = ({ id }: ServiceStatus): boolean =>
  (linkedServices as readonly string[]).includes(id);

/** `list` with the item of the same key replaced in place, or with `item` at the end. */
export function replaceBy<T>(list: readonly T[], item: T, key: (item: T) => unknown): readonly T[] {
  const at = list.findIndex((other) => key(other) === key(item));
  return at === -1 ? [...list, item] : list.with(at, item);
}

const shownRuns = 10;

/** The last runs of a card with `run` brought up to date, newest first. */
export function withRun(
  runs: ScenarioCard["lastRuns"],
  run: ScenarioCard["lastRuns"][number],
): ScenarioCard["lastRuns"] {
  const others = runs.filter(({ runId }) => runId !== run.runId);
  return [run, ...others].sort((a, b) => b.startedAt - a.startedAt).slice(0, shownRuns);
}

/** The one lab of the page. */
export const lab = new Lab();
