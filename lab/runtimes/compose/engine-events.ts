import { createInterface } from "node:readline";
import * as v from "valibot";
import type { Engine } from "./engine.ts";
import { projectLabel } from "./project.ts";

/** What happens to the containers of a project. */
export interface EngineEvents {
  /** Calls back with every action of a container, e.g. `health_status: healthy`. */
  readonly on: (container: string, listener: (action: string) => void) => void;
  readonly off: (container: string) => void;
  /** Resolves at the next action of a container, after two seconds without one, or when the signal aborts. */
  readonly next: (container: string, signal: AbortSignal) => Promise<void>;
}

/** Events may be lost while a connection is made anew. */
const patienceMs = 2_000;
const againMs = 1_000;

const eventSchema = v.object({ Action: v.string(), Actor: v.object({ ID: v.string() }) });

/** Listens until the signal aborts; an engine that breaks off is asked again. */
export function openEngineEvents(engine: Engine, project: string, over: AbortSignal): EngineEvents {
  const listeners = new Map<string, (action: string) => void>();
  const waiting = new Map<string, Set<() => void>>();
  const filters = JSON.stringify({ type: ["container"], label: [`${projectLabel}=${project}`] });
  const listen = async (): Promise<void> => {
    const stream = await engine.stream(`/events?filters=${encodeURIComponent(filters)}`, over);
    for await (const line of createInterface({ input: stream })) {
      const read = v.safeParse(eventSchema, JSON.parse(line));
      if (!read.success) continue;
      const { Action, Actor } = read.output;
      listeners.get(Actor.ID)?.(Action);
      for (const wake of waiting.get(Actor.ID) ?? []) wake();
    }
  };
  const keepListening = async (): Promise<void> => {
    while (!over.aborted) {
      await listen().catch(() => {});
      if (!over.aborted) await new Promise((resolve) => setTimeout(resolve, againMs).unref());
    }
  };
  void keepListening();
  return {
    on: (container, listener) => listeners.set(container, listener),
    off: (container) => listeners.delete(container),
    next: (container, signal) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const set = waiting.get(container) ?? new Set();
      waiting.set(container, set);
      const timer = setTimeout(resolve, patienceMs);
      set.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      return promise.finally(() => {
        clearTimeout(timer);
        set.delete(resolve);
      });
    },
  };
}
