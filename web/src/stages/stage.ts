import { type Component, mount, unmount } from "svelte";
import type { Observation } from "#lab/api/run-request.ts";
import type { Mode } from "#scenarios/mode.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";

type Answer = NonNullable<Observation["answer"]>;

/** What the app answered to a stage. Status 0: the connection broke. */
export interface StageAnswer extends Answer {
  readonly body: unknown;
  /** What `fetch` threw, when it did. */
  readonly thrown?: unknown;
}

/** What every `stages/<scenario id>.svelte` gets. */
export interface StageProps {
  readonly mode: Mode;
  readonly params: Readonly<Record<string, ParamValue>>;
  /** Sends the scenario's request to the app, inside the run's trace. `body` is its JSON, if it is JSON. */
  readonly request: (signal?: AbortSignal) => Promise<StageAnswer>;
  /** Reports what the page saw; the scenario's `page` expectations are about these names. */
  readonly observe: (name: string, value: ParamValue) => void;
  /** Somebody has to click the element marked with `data-awaits-click`: the stage may take longer. */
  readonly awaitClick: () => void;
  /** The stage has shown what it had to show. Without it the stage ends after five seconds. */
  readonly done: () => void;
}

export type StageComponent = Component<StageProps>;

/** A stage on show: an element of its own, to be put where the run is looked at. */
export interface RunStage {
  readonly element: HTMLElement;
}

export interface StageOrder {
  readonly mode: Mode;
  readonly params: StageProps["params"];
  readonly request: StageProps["request"];
  readonly onShow: (stage: RunStage) => void;
}

const patienceMs = 5000;
/** For a person who has to see what is wanted. */
const clickPatienceMs = 20_000;
const files = import.meta.glob<{ readonly default: StageComponent }>("./*.svelte");

/** Loads a scenario's stage. @throws Error when it has none. */
export async function loadStage(id: string): Promise<StageComponent> {
  const load = files[`./${id}.svelte`];
  if (load === undefined) throw new Error(`web/src/stages/${id}.svelte is missing`);
  return (await load()).default;
}

/**
 * Mounts a stage in a root of its own, so that what breaks in it breaks nothing else, and resolves
 * with what it reported once it is done. It stays on show.
 */
export async function showStage(
  Stage: StageComponent,
  order: StageOrder,
): Promise<Partial<Observation>> {
  const element = document.createElement("div");
  order.onShow({ element });
  const page: Record<string, ParamValue> = {};
  let answer: Answer | undefined;
  const { promise, resolve: done } = Promise.withResolvers<void>();
  let timer = setTimeout(done, patienceMs);
  const stage = mount(Stage, {
    target: element,
    props: {
      mode: order.mode,
      params: order.params,
      request: async (signal) => {
        const { body, thrown, ...heard } = await order.request(signal);
        answer = heard;
        return { ...heard, body, thrown };
      },
      awaitClick: () => {
        clearTimeout(timer);
        timer = setTimeout(done, clickPatienceMs);
      },
      observe: (name, value) => {
        page[name] = value;
      },
      done,
    },
  });
  await promise;
  clearTimeout(timer);
  addEventListener("pagehide", () => void unmount(stage), { once: true });
  return answer === undefined ? { page } : { page, answer };
}
