import { createHash } from "node:crypto";
import type { Valkey } from "../valkey/client.ts";
import { remainingMs, type SessionData, sessionLimits } from "./session-data.ts";

/** Sessions in Valkey, by id. What rejects, rejects because Valkey is away. */
export interface SessionStore {
  readonly read: (id: string) => Promise<StoredSession>;
  /** Keeps it for as long as its limits allow. */
  readonly write: (id: string, data: SessionData) => Promise<void>;
  /** As {@link write}, but only a session that is still there: a sign-out meanwhile stays one. */
  readonly replace: (id: string, data: SessionData) => Promise<void>;
  readonly remove: (id: string) => Promise<void>;
  /** Moves a session into the past, as if nobody, or somebody, had used it for so long. For scenarios. */
  readonly age: (id: string, ms: number, inUse: boolean) => Promise<void>;
}

export type StoredSession =
  | { readonly kind: "found"; readonly data: SessionData }
  /** Idle for too long, or ended elsewhere: what Valkey no longer has, it cannot tell. */
  | { readonly kind: "lost"; readonly reason: "not in the store" | "absolute limit" };

/** A session in use is kept alive at most so often. */
const touchEveryMs = 15_000;
const touchedAtMost = 10_000;

/** @param now milliseconds since the epoch. */
export function sessionStore(
  valkey: Pick<Valkey, "attempt">,
  now: () => number = Date.now,
): SessionStore {
  const touched = new Map<string, number>();
  const forget = (key: string): void => void touched.delete(key);

  async function touch(key: string, data: SessionData): Promise<void> {
    const last = touched.get(key) ?? 0;
    if (data.user === undefined || now() - last < touchEveryMs) return;
    touched.delete(key);
    touched.set(key, now());
    for (const oldest of touched.keys()) {
      if (touched.size <= touchedAtMost) break;
      touched.delete(oldest);
    }
    await valkey.attempt((client) => client.pexpire(key, remainingMs(data, now())));
  }

  const remove = async (id: string): Promise<void> => {
    const key = keyOf(id);
    forget(key);
    await valkey.attempt((client) => client.del(key));
  };

  const put = async (id: string, data: SessionData, onlyExisting: boolean): Promise<void> => {
    const [key, text] = [keyOf(id), JSON.stringify(data)];
    const lifeMs = remainingMs(data, now());
    await valkey.attempt((client) =>
      onlyExisting
        ? client.set(key, text, "PX", lifeMs, "XX")
        : client.set(key, text, "PX", lifeMs),
    );
  };

  return {
    async read(id) {
      const key = keyOf(id);
      const text = await valkey.attempt((client) => client.get(key));
      if (text === null) return { kind: "lost", reason: "not in the store" };
      const data = JSON.parse(text) as SessionData;
      if (remainingMs(data, now()) <= 0) {
        await remove(id);
        return { kind: "lost", reason: "absolute limit" };
      }
      await touch(key, data);
      return { kind: "found", data };
    },
    write: (id, data) => put(id, data, false),
    replace: (id, data) => put(id, data, true),
    remove,
    async age(id, ms, inUse) {
      const key = keyOf(id);
      forget(key);
      const found = await valkey.attempt((client) => client.get(key));
      if (found === null) return;
      const data = JSON.parse(found) as SessionData;
      const { createdAt, tokens } = data;
      const aged: SessionData = {
        ...data,
        ...(createdAt === undefined ? {} : { createdAt: createdAt - ms }),
        ...(tokens === undefined
          ? {}
          : { tokens: { ...tokens, accessExpiresAt: tokens.accessExpiresAt - ms } }),
      };
      const left = (await valkey.attempt((client) => client.pttl(key))) - (inUse ? 0 : ms);
      if (left <= 0) await remove(id);
      else await valkey.attempt((client) => client.set(key, JSON.stringify(aged), "PX", left));
    },
  };
}

/** Whoever reads Valkey's keys gets no session ids. */
const keyOf = (id: string): string =>
  `session:${createHash("sha256").update(id).digest("base64url")}`;

/** The cookie outlives no session. */
export const cookieLifeMs = sessionLimits.absoluteMs;
