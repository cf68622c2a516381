import type { ServeContext } from "#scenarios/define.ts";
import { openCache } from "./cache/cache.ts";
import type { ServerEnv } from "./env.ts";
import { log } from "./log.ts";
import { s3AddressOf } from "./objects/client.ts";
import { openObjectStore } from "./objects/object-store.ts";
import { openOrderEvents } from "./orders/order-events.ts";
import { reportHandled } from "./report.ts";
import { openSignIn, type SignIn } from "./sign-in/sign-in.ts";
import { openValkey, type Valkey } from "./valkey/client.ts";
import { openSmallCache, type SmallCache, tidySmallCache } from "./valkey/small-cache.ts";
import { openVisitors, type PassingVisitor } from "./visitor/visitor.ts";

/** What the app talks to besides its database, as scenarios and routes use it. */
export type Edges = Pick<ServeContext<unknown>, "cache" | "objects" | "orderEvents"> & {
  /** A new visitor, who has to leave when their work is done. */
  readonly visitor: () => PassingVisitor;
  /** Who is signed in; the routes and the middleware of that hang on it. */
  readonly signIn: SignIn;
  /** The cache in the Valkey for values that may go, for one piece of work. */
  readonly openSmallCache: () => Promise<SmallCache>;
  /** Lets every connection go. Never rejects. */
  readonly close: () => Promise<void>;
};

/** Opens them all. None has to be there: the app starts without, and works as far as it can. */
export function openEdges(env: ServerEnv, http: ServeContext<unknown>["http"]): Edges {
  const objects = openObjectStore(s3AddressOf(env.s3Endpoint), env.s3Bucket);
  const valkey = openReportingValkey(env.valkeyUrl);
  const tidied = tidySmallCache(env.valkeyCacheUrl);
  const signIn = openSignIn(env, valkey);
  return {
    cache: openCache(valkey),
    objects,
    orderEvents: openOrderEvents(valkey, {
      onFailure(error) {
        log.error({ err: error }, "an order event was not processed");
        reportHandled(error);
      },
    }),
    signIn,
    openSmallCache: () => tidied.then(() => openSmallCache(env.valkeyCacheUrl)),
    visitor: openVisitors({ http, signIn, user: env.user, oidc: env.oidc }),
    close: async () => {
      signIn.close();
      valkey.close();
      await objects.close();
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
