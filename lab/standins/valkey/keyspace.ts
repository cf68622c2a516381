/** A string value with its time to live. */
interface Entry {
  readonly value: Buffer;
  /** Milliseconds since the epoch; infinite for a key that stays. */
  readonly expiresAt: number;
}

/** Keys with string values. Keys are bytes as Latin-1. */
export type Keyspace = ReturnType<typeof openKeyspace>;

/** What an entry costs besides its bytes, roughly. */
const entryBytes = 100;

/** An empty keyspace. Its `set` throws beyond `maxBytes`: nothing is evicted. */
export function openKeyspace(maxBytes: number) {
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const sizeOf = (key: string, { value }: Entry) => key.length + value.length + entryBytes;
  const remove = (key: string): boolean => {
    const entry = entries.get(key);
    if (entry) bytes -= sizeOf(key, entry);
    return entries.delete(key);
  };
  const get = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined || entry.expiresAt > Date.now()) return entry;
    remove(key);
    return undefined;
  };
  return {
    get,
    set(key: string, value: Buffer, expiresAt = Number.POSITIVE_INFINITY): void {
      const old = get(key);
      // A request's bytes lie in a larger buffer, which would stay with them.
      const entry = { value: Buffer.from(value), expiresAt };
      const after = bytes + sizeOf(key, entry) - (old ? sizeOf(key, old) : 0);
      if (after > maxBytes)
        throw new Error("OOM command not allowed when used memory > 'maxmemory'.");
      bytes = after;
      entries.set(key, entry);
    },
    delete: (key: string): boolean => get(key) !== undefined && remove(key),
    clear: (): void => [...entries.keys()].forEach(remove),
    /** Those whose time is not over; the others are removed. */
    entries: () => [...entries].filter(([key]) => get(key) !== undefined),
  };
}
