import type { Redis } from "iovalkey";

/** How a value is kept. */
export interface Keeping {
  readonly ttlMs: number;
  /** Share of the time to live that varies at random, so that neighbours do not expire together; default 0.1. */
  readonly jitter?: number;
  /** Readers that miss at the same time wait for one load instead of each doing their own; default true. */
  readonly singleFlight?: boolean;
}

/** The app's cache in Valkey, in front of the database. */
export interface Cache {
  /**
   * The cached value of `key`, else what `load` gives, which is then kept. A cache that is away or
   * slow costs one short wait, then the circuit is open and `load` is asked at once.
   */
  readonly through: <T>(key: string, keeping: Keeping, load: () => Promise<T>) => Promise<T>;
  readonly forget: (...keys: readonly string[]) => Promise<void>;
  /** The client itself, for commands of its own. Commands become spans. */
  readonly client: Redis;
}
