import type { Redis } from "iovalkey";

/** How a value is kept. */
export interface Keeping {
  /** Longest time to live. */
  readonly ttlMs: number;
  /** Share of the time to live that is cut at random, so that neighbours do not expire together; default 0.1. */
  readonly jitter?: number;
  /** Readers that miss at the same time wait for one load instead of each doing their own; default true. */
  readonly singleFlight?: boolean;
}

/** The app's cache in Valkey, in front of the database. */
export interface Cache {
  /**
   * The cached value of `key`, else what `load` gives, which is then kept as JSON. A cache that is
   * away or slow costs one short wait, then the circuit is open and `load` is asked at once. Each
   * read is a span `cache read` with its outcome; `load` runs in `cache load`, to which those who
   * wait for it are linked. Rejects only with what `load` rejects with.
   */
  readonly through: <T>(key: string, keeping: Keeping, load: () => Promise<T>) => Promise<T>;
  /** Away as it may be, this never rejects: what could not be removed lives on until its time is over. */
  readonly forget: (...keys: readonly string[]) => Promise<void>;
  /** False from the failure that opened the circuit until Valkey works again. */
  readonly isThere: () => boolean;
  /**
   * How long callers wait for Valkey from now on, in milliseconds; without a number as long as usual.
   * Of the app as a whole: put it back.
   */
  readonly setPatience: (ms?: number) => void;
  /** The client itself, for commands of its own. Commands become spans. */
  readonly client: Redis;
}
