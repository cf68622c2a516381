import type { ServeContext } from "#scenarios/define.ts";
import type { ServerEnv } from "./env.ts";

/** What the app talks to besides its database, as scenarios and routes use it. */
export type Edges = Pick<ServeContext<unknown>, "cache" | "objects" | "orderEvents" | "visitor"> & {
  /** Lets every connection go. Never rejects. */
  readonly close: () => Promise<void>;
};

/** Opens them all. None has to be there: the app starts without, and works as far as it can. */
export function openEdges(_env: ServerEnv, _http: ServeContext<unknown>["http"]): Edges {
  const missing = (): never => {
    throw new Error("not wired yet");
  };
  return {
    get cache() {
      return missing();
    },
    get objects() {
      return missing();
    },
    get orderEvents() {
      return missing();
    },
    get visitor() {
      return missing();
    },
    close: async () => {},
  };
}
