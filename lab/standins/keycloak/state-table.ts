/** What the provider keeps of one thing: a session, a grant, a token, an interaction. */
export interface Payload {
  readonly uid?: string;
  readonly grantId?: string;
  consumed?: number;
}

/** Storage of one kind of thing, as oidc-provider asks for it. */
export interface StateTable {
  readonly upsert: (id: string, payload: Payload, expiresInSeconds?: number) => Promise<void>;
  readonly find: (id: string) => Promise<Payload | undefined>;
  readonly findByUid: (uid: string) => Promise<Payload | undefined>;
  /** Device codes: the lab's client has none. */
  readonly findByUserCode: (code: string) => Promise<undefined>;
  readonly consume: (id: string) => Promise<void>;
  readonly destroy: (id: string) => Promise<void>;
  readonly revokeByGrantId: (grantId: string) => Promise<void>;
}

interface Entry {
  readonly payload: Payload;
  readonly expiresAt: number;
}

/** Entries of one kind at most: the oldest go. */
const capacity = 5_000;

/** In memory: whoever was signed in before a restart of the provider signs in again after it. */
export function stateTable(now: () => number = Date.now): StateTable {
  const entries = new Map<string, Entry>();
  const live = (id: string): Payload | undefined => {
    const entry = entries.get(id);
    if (entry === undefined) return undefined;
    if (entry.expiresAt > now()) return entry.payload;
    entries.delete(id);
    return undefined;
  };
  return {
    async upsert(id, payload, expiresInSeconds) {
      entries.delete(id);
      const expiresAt = expiresInSeconds === undefined ? Infinity : now() + expiresInSeconds * 1000;
      entries.set(id, { payload: structuredClone(payload), expiresAt });
      for (const oldest of entries.keys()) {
        if (entries.size <= capacity) break;
        entries.delete(oldest);
      }
    },
    find: async (id) => live(id),
    async findByUid(uid) {
      for (const [id, { payload }] of entries) if (payload.uid === uid) return live(id);
      return undefined;
    },
    findByUserCode: async () => undefined,
    async consume(id) {
      const payload = live(id);
      if (payload !== undefined) payload.consumed = Math.floor(now() / 1000);
    },
    async destroy(id) {
      entries.delete(id);
    },
    async revokeByGrantId(grantId) {
      for (const [id, { payload }] of entries) if (payload.grantId === grantId) entries.delete(id);
    },
  };
}
