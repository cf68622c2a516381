import { Counter } from "prom-client";
import { metric } from "#scenarios/names.ts";
import { registry } from "../metrics.ts";

/**
 * How a read of the cache ended. `coalesced`: it missed and waited for the load of another;
 * `error`: the cache could not be asked, and the answer came from behind it.
 */
export type Outcome = "hit" | "miss" | "coalesced" | "error";

const requests = new Counter({
  name: metric.cacheRequests,
  help: "Reads of the cache.",
  labelNames: ["outcome"],
  registers: [registry],
});
// Present from the start: a counter that appears with its first read shows no increase.
for (const outcome of ["hit", "miss", "coalesced", "error"] satisfies Outcome[]) {
  requests.inc({ outcome }, 0);
}

export const countRead = (outcome: Outcome): void => requests.inc({ outcome });
