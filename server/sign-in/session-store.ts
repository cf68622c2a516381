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

/**
 * Why there is no session any more. `not in the store`: it was ended, or lost, before its time; or
 * nobody had signed in with it.
 */
export type LossReason = "idle limit" | "absolute limit" | "not in the store";

export type StoredSession =
  | { readonly kind: "found"; readonly data: SessionData }
  | { readonly kind: "lost"; readonly reason: LossReason };

/** What outlives a session in Valkey, to tell why it is gone. Milliseconds since the epoch. */
interface Ending {
  /** If nobody uses it. */
  readonly idleAt: number;
  readonly absoluteAt: number;
}

/** A session in use is kept alive at most so often. */
const touchEveryMs = 15_000;
const touchedAtMost = 10_000;
/** How long after its absolute limit it is still known why a session is gone: no cookie lives longer. */
const endingKeptMs = 10 * 60_000;

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
    await noteEnding(key, data);
  }

  async function noteEnding(key: string, data: SessionData): Promise<void> {
    if (data.createdAt === undefined) return;
    const absoluteAt = data.createdAt + sessionLimits.absoluteMs;
    const ending: Ending = { idleAt: now() + remainingMs(data, now()), absoluteAt };
    await putEnding(key, ending);
  }

  const putEnding = (key: string, ending: Ending): Promise<unknown> =>
    valkey.attempt((client) =>
      client.set(
        endingKey(key),
        JSON.stringify(ending),
        "PX",
        Math.max(1, Math.ceil(ending.absoluteAt + endingKeptMs - now())),
      ),
    );

  async function endingOf(key: string): Promise<Ending | undefined> {
    const text = await valkey.attempt((client) => client.get(endingKey(key)));
    return text === null ? undefined : (JSON.parse(text) as Ending);
  }

  async function whyLost(id: string): Promise<LossReason> {
    const ending = await endingOf(keyOf(id));
    if (ending === undefined) return "not in the store";
    if (ending.absoluteAt <= now()) return "absolute limit";
    return ending.idleAt <= now() ? "idle limit" : "not in the store";
  }

  const remove = async (id: string): Promise<void> => {
    const key = keyOf(id);
    forget(key);
    await valkey.attempt((client) => client.del(key, endingKey(key)));
  };

  const put = async (id: string, data: SessionData, onlyExisting: boolean): Promise<void> => {
    const [key, text] = [keyOf(id), JSON.stringify(data)];
    const lifeMs = remainingMs(data, now());
    await valkey.attempt((client) =>
      onlyExisting
        ? client.set(key, text, "PX", lifeMs, "XX")
        : client.set(key, text, "PX", lifeMs),
    );
    if (!onlyExisting) await noteEnding(key, data);
  };

  return {
    async read(id) {
      const key = keyOf(id);
      const text = await valkey.attempt((client) => client.get(key));
      if (text === null) return { kind: "lost", reason: await whyLost(id) };
      const data = JSON.parse(text) as SessionData;
      if (remainingMs(data, now()) <= 0) {
        forget(key);
        await valkey.attempt((client) => client.del(key));
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
      const ending = await endingOf(key);
      if (ending !== undefined)
        await putEnding(key, {
          idleAt: ending.idleAt - (inUse ? 0 : ms),
          absoluteAt: ending.absoluteAt - ms,
        });
      // As it goes in Valkey by itself: without a word.
      if (left <= 0) await valkey.attempt((client) => client.del(key));
      else await valkey.attempt((client) => client.set(key, JSON.stringify(aged), "PX", left));
    },
  };
}

/** Whoever reads Valkey's keys gets no session ids. */
const keyOf = (id: string): string =>
  `session:${createHash("sha256").update(id).digest("base64url")}`;

const endingKey = (key: string): string => key.replace(/^session:/, "session-ending:");

/** The cookie outlives no session. */
export const cookieLifeMs = sessionLimits.absoluteMs;
