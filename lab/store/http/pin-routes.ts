import { PinRefused, type Store } from "../store.ts";
import { sendJson } from "./answer.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

const path = /^\/lab\/runs\/([0-9A-Za-z._-]{1,128})\/pin$/;

/** Keeps runs from eviction, and no longer; see `contract.ts`. */
export function pinRoutes(store: Store): readonly Route[] {
  const route = (method: "POST" | "DELETE", change: (runId: string) => void): Route => ({
    method,
    path,
    handle: ({ request, response, params }) => {
      request.resume();
      try {
        change(params[0] ?? "");
      } catch (error) {
        throw error instanceof PinRefused ? refusalOf(error) : error;
      }
      sendJson(response, { pinnedRuns: store.stats().pinnedRuns });
    },
  });
  return [route("POST", store.pin), route("DELETE", store.unpin)];
}

function refusalOf({ why, oldest }: PinRefused): Refusal {
  switch (why) {
    case "unknown run":
      return new Refusal(404, "unknown_run", "No span or log of this run is here to be kept.", {
        hint: "Pin a run while its telemetry is still there.",
      });
    case "too many":
      return new Refusal(409, "pins_full", "As many runs are pinned as the store keeps.", {
        hint: unpinHint(oldest),
      });
    case "too large":
      return new Refusal(409, "pins_full", "With this run the pinned ones would be too large.", {
        hint: unpinHint(oldest),
      });
  }
}

const unpinHint = (oldest: string | undefined): string =>
  oldest === undefined
    ? "This run alone is larger than what the store keeps for pins."
    : `Unpin one first; the oldest is ${oldest}.`;
