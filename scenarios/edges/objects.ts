/** One object of the storage, open for reading. */
export interface StoredObject {
  /** Its bytes; can be read once. Not read to its end, it has to be destroyed. */
  readonly body: AsyncIterable<Uint8Array> & { readonly destroy: () => unknown };
  readonly bytes: number;
  readonly type: string;
  readonly etag: string;
  /** Requests it took: the SDK tries again by itself. */
  readonly attempts: number;
}

/** Calls of one run that the storage shall refuse with `503 SlowDown`. Understood by the stand-in only. */
export interface ThrottleOrder {
  readonly runId: string;
  /** Of each call, attempts up to this one are refused. */
  readonly attempts: number;
  /** Share of the run's calls, spread evenly; 1 to 100. */
  readonly percent: number;
  /** The storage forgets it after this long, whatever becomes of the app; at most 60000. */
  readonly forMs: number;
}

/**
 * The app's product images in S3. Calls become spans with bucket and key, and one HTTP span below
 * for each attempt. They reject with the SDK's errors; a storage that does not answer costs a second.
 * `get` rejects with an AppError 503 `storage_throttled`, the SDK's error its cause, when every
 * attempt was refused with `SlowDown`.
 */
export interface ObjectStore {
  readonly bucket: string;
  readonly get: (key: string) => Promise<StoredObject>;
  readonly head: (key: string) => Promise<Omit<StoredObject, "body">>;
  readonly put: (key: string, body: string | Uint8Array, type: string) => Promise<void>;
  /** A link that lets whoever holds it read one object for so many seconds. Nobody is asked for it. */
  readonly downloadLink: (key: string, seconds: number) => Promise<string>;
  /** The object's address without a signature, as of a bucket that everybody may read. */
  readonly plainLink: (key: string) => string;
  /**
   * Reads and signs as a process does whose clock is off by so many milliseconds, behind when
   * negative. It has connections of its own, to be closed.
   */
  readonly withClockOff: (
    ms: number,
  ) => Pick<ObjectStore, "get" | "downloadLink"> & { readonly close: () => Promise<void> };
  /** Key of a product's image. The newest products, from 191 to 200, have none yet. */
  readonly imageKey: (productId: number) => string;
  /** Throttles until the returned function is called. @throws Error when the storage cannot do that. */
  readonly throttle: (order: ThrottleOrder) => Promise<() => Promise<void>>;
}
