import type { ServeContext } from "#scenarios/define.ts";
import { openCache } from "./cache/cache.ts";
import type { ServerEnv } from "./env.ts";
import { log } from "./log.ts";
import { openOrderEvents } from "./orders/order-events.ts";
import { reportHandled } from "./report.ts";
import { openValkey, type Valkey } from "./valkey/client.ts";

/** What the app talks to besides its database, as scenarios and routes use it. */
export type Edges = Pick<ServeContext<unknown>, "cache" | "objects" | "orderEvents" | "visitor"> & {
  /** Lets every connection go. Never rejects. */
  readonly close: () => Promise<void>;
};

/** Opens them all. None has to be there: the app starts without, and works as far as it can. */
export function openEdges(env: ServerEnv, _http: ServeContext<unknown>["http"]): Edges {
  const missing = (): never => {
    throw new Error("not wired yet");
  };
  const valkey = openReportingValkey(env.valkeyUrl);
  return {
    cache: openCache(valkey),
    get objects() {
      return missing();
    },
    orderEvents: openOrderEvents(valkey, {
      onFailure(error) {
        log.error({ err: error }, "an order event was not processed");
        reportHandled(error);
      },
    }),
    get visitor() {
      return missing();
    },
    close: async () => {
      valkey.close();
    },
  };
}

/** An outage is one line and one event, however many requests it meets. */
function openReportingValkey(url: string): Valkey {
  return openValkey(url, {
    onAway(error) {
      log.warn({ err: error }, "valkey is away, going on without it");
      reportHandled(new Error("valkey is away", { cause: error }));
    },
    onBack: (awayMs) => log.info({ awayMs: Math.round(awayMs) }, "valkey is back"),
  });
}
