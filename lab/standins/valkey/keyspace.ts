/** A value with its time to live. */
interface Entry {
  readonly value: Buffer;
  /** Milliseconds since the epoch; infinite for a key that stays. */
  readonly expiresAt: number;
  /** Grows from key to key: where a scan goes on. */
  readonly seq: number;
}

/** Keys with string values. Keys are bytes as Latin-1. */
export type Keyspace = ReturnType<typeof openKeyspace>;

/** What an entry costs besides its bytes, roughly. */
const entryBytes = 100;

/** An empty keyspace. Its `set` throws beyond `maxBytes`: nothing is evicted. */
export function openKeyspace(maxBytes: number) {
  const entries = new Map<string, Entry>();
  const counts = { bytes: 0, expired: 0, seq: 0 };

  const remove = (key: string): boolean => {
    const entry = entries.get(key);
    if (entry) counts.bytes -= key.length + entry.value.length + entryBytes;
    return entries.delete(key);
  };
  const get = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined || entry.expiresAt > Date.now()) return entry;
    counts.expired++;
    remove(key);
    return undefined;
  };
  const set = (key: string, value: Buffer, expiresAt = Number.POSITIVE_INFINITY): void => {
    const old = get(key);
    const more = value.length - (old ? old.value.length : -key.length - entryBytes);
    if (counts.bytes + more > maxBytes)
      throw new Error("OOM command not allowed when used memory > 'maxmemory'.");
    counts.bytes += more;
    // A request's bytes lie in a larger buffer, which would stay with them.
    entries.set(key, { value: Buffer.from(value), expiresAt, seq: old?.seq ?? ++counts.seq });
  };
  return {
    get,
    set,
    delete: (key: string): boolean => get(key) !== undefined && remove(key),
    clear: (): void => [...entries.keys()].forEach(remove),
    /** In order of their `seq`, those whose time is over left out. */
    entries: (): readonly (readonly [string, Entry])[] =>
      [...entries].filter(([key]) => get(key) !== undefined),
    size: (): number => entries.size,
    counts: counts as Readonly<typeof counts>,
  };
}
