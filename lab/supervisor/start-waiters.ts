import { LabError } from "#lab/errors.ts";
import type { ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { Life } from "./lifecycle.ts";

/** Those who wait for what comes of a service's start. */
export interface StartWaiters {
  /** Resolves when the service is ready; rejects with the `LabError` of its failure, or of its stop. */
  readonly wait: () => Promise<void>;
  /** To be called whenever the state or the failure changed: tells those whose wait is over. */
  readonly tell: () => void;
  /** The service is stopped only to be started anew: who waits, waits on until the result is called. */
  readonly returning: () => () => void;
}

export function openStartWaiters(
  descriptor: ServiceDescriptor,
  now: () => { readonly state: Life["state"]; readonly failure: LabError | undefined },
): StartWaiters {
  const waiters = new Set<PromiseWithResolvers<void>>();
  /** How many stop it only to start it anew. */
  let returns = 0;

  function tell(): void {
    const { state, failure } = now();
    if (state === "stopped" && returns > 0) return;
    const outcome = outcomeOf(state, failure, descriptor);
    if (outcome === undefined) return;
    for (const waiter of waiters) {
      if (outcome === "ready") waiter.resolve();
      else waiter.reject(outcome);
    }
    waiters.clear();
  }

  return {
    wait: () => {
      const waiter = Promise.withResolvers<void>();
      waiters.add(waiter);
      tell();
      return waiter.promise;
    },
    tell,
    returning: () => {
      returns++;
      return () => {
        returns--;
        tell();
      };
    },
  };
}

/** What somebody who waits for a start is told in this state; undefined: wait on. */
function outcomeOf(
  state: Life["state"],
  failure: LabError | undefined,
  descriptor: ServiceDescriptor,
): "ready" | LabError | undefined {
  switch (state) {
    case "ready":
      return "ready";
    case "unavailable":
    case "crash-looping":
    case "backing-off":
      return failure;
    case "stopped":
      return new LabError("service-stopped", `${descriptor.title} was stopped.`, {
        hint: `Start it again with: npm run lab -- restart ${descriptor.id}`,
      });
    case "waiting":
    case "preparing":
    case "starting":
    case "stopping":
      return undefined;
  }
}
