import { globMatcher } from "./glob.ts";
import type { Keyspace } from "./keyspace.ts";
import { ok, type Reply } from "./resp.ts";

/** One command: `arity` counts its name, and is a minimum when negative, as in COMMAND INFO. */
export interface Command<Context> {
  readonly arity: number;
  readonly run: (context: Context, args: readonly Buffer[]) => Reply | undefined;
}

/** What a command on data may use. */
export interface Data {
  readonly keys: Keyspace;
  /** The value of a key that somebody wants to read; counts as a hit or a miss. */
  readonly read: (key: string) => Buffer | undefined;
}

/** A key's or a word's bytes as text. */
export const text = (bytes: Buffer | undefined): string => bytes?.toString("latin1") ?? "";
/** The bytes of such a text. */
export const bytesOf = (name: string): Buffer => Buffer.from(name, "latin1");
const syntaxError = () => new Error("ERR syntax error");

function integer(bytes: Buffer | undefined): number {
  const number = Number(text(bytes));
  if (!/^-?\d+$/.test(text(bytes)) || !Number.isSafeInteger(number))
    throw new Error("ERR value is not an integer or out of range");
  return number;
}

function lifeOf(value: Buffer | undefined, unitMs: number): number {
  const life = integer(value) * unitMs;
  if (life <= 0) throw new Error("ERR invalid expire time in 'set' command");
  return Date.now() + life;
}

function set({ keys }: Data, [name, value, ...options]: readonly Buffer[]): Reply {
  const old = keys.get(text(name));
  let expiresAt: number | undefined;
  let condition: string | undefined;
  let answersOld = false;
  for (let at = 0; at < options.length; at++) {
    const word = text(options[at]).toUpperCase();
    const life = options[at + 1];
    if (word === "GET") answersOld = true;
    else if (/^[NX]X$/.test(word) && condition === undefined) condition = word;
    else if (expiresAt !== undefined) throw syntaxError();
    else if (word === "KEEPTTL") expiresAt = old?.expiresAt ?? Number.POSITIVE_INFINITY;
    else if (/^[EP]X$/.test(word) && life) {
      expiresAt = lifeOf(life, word === "EX" ? 1000 : 1);
      at++;
    } else throw syntaxError();
  }
  const holds = condition === undefined || (condition === "NX") === (old === undefined);
  if (holds) keys.set(text(name), value as Buffer, expiresAt);
  if (answersOld) return old?.value ?? null;
  return holds ? ok : null;
}

const addition = (arity: number, sign: 1 | -1): Command<Data> => ({
  arity,
  run: ({ keys }, [name, amount]) => {
    const old = keys.get(text(name));
    const sum = (old ? integer(old.value) : 0) + sign * (amount ? integer(amount) : 1);
    if (!Number.isSafeInteger(sum)) throw new Error("ERR increment or decrement would overflow");
    keys.set(text(name), Buffer.from(String(sum)), old?.expiresAt);
    return sum;
  },
});

const expiry = (unitMs: number): Command<Data> => ({
  arity: 3,
  run: ({ keys }, [name, life]) => {
    const entry = keys.get(text(name));
    const expiresAt = Date.now() + integer(life) * unitMs;
    if (entry) keys.set(text(name), entry.value, expiresAt);
    return entry ? 1 : 0;
  },
});

const timeToLive = (unitMs: number): Command<Data> => ({
  arity: 2,
  run: ({ keys }, [name]) => {
    const { expiresAt } = keys.get(text(name)) ?? { expiresAt: Number.NaN };
    if (Number.isNaN(expiresAt)) return -2;
    const left = (expiresAt - Date.now()) / unitMs;
    return left === Number.POSITIVE_INFINITY ? -1 : Math.round(left);
  },
});

function scan({ keys }: Data, [cursor, ...options]: readonly Buffer[]): Reply {
  const from = integer(cursor);
  let matches = (_name: string) => true;
  let count = 10;
  for (let at = 0; at < options.length; at += 2) {
    const word = text(options[at]).toUpperCase();
    if (word === "MATCH") matches = globMatcher(text(options[at + 1]));
    else if (word === "COUNT") count = integer(options[at + 1]);
    else throw syntaxError();
  }
  if (count < 1 || options.length % 2 === 1) throw syntaxError();
  // A key that is there all the time is found, whatever comes and goes meanwhile.
  const rest = keys.entries().filter(([, { seq }]) => seq > from);
  const found = rest.slice(0, count).map(([name]) => name);
  const next = rest.length > count ? String(rest[count - 1]?.[1].seq) : "0";
  return [next, found.filter(matches).map(bytesOf)];
}

const removal: Command<Data> = {
  arity: -2,
  run: ({ keys }, names) => names.filter((name) => keys.delete(text(name))).length,
};
const clearing: Command<Data> = {
  arity: -1,
  run: ({ keys }) => {
    keys.clear();
    return ok;
  },
};

/** Commands that read or write keys; https://valkey.io/commands/ says what each does. */
export const dataCommands: Readonly<Record<string, Command<Data>>> = {
  GET: { arity: 2, run: ({ read }, [name]) => read(text(name)) ?? null },
  MGET: { arity: -2, run: ({ read }, names) => names.map((name) => read(text(name)) ?? null) },
  GETDEL: {
    arity: 2,
    run: ({ keys, read }, [name]) => {
      const value = read(text(name)) ?? null;
      keys.delete(text(name));
      return value;
    },
  },
  SET: { arity: -3, run: set },
  SETEX: {
    arity: 4,
    run: (data, [name, life, value]) => {
      data.keys.set(text(name), value as Buffer, lifeOf(life, 1000));
      return ok;
    },
  },
  DEL: removal,
  UNLINK: removal,
  EXISTS: { arity: -2, run: ({ read }, names) => names.filter((name) => read(text(name))).length },
  TYPE: { arity: 2, run: ({ keys }, [n]) => ({ simple: keys.get(text(n)) ? "string" : "none" }) },
  INCR: addition(2, 1),
  INCRBY: addition(3, 1),
  DECR: addition(2, -1),
  DECRBY: addition(3, -1),
  EXPIRE: expiry(1000),
  PEXPIRE: expiry(1),
  PERSIST: {
    arity: 2,
    run: ({ keys }, [name]) => {
      const entry = keys.get(text(name));
      if (entry === undefined || entry.expiresAt === Number.POSITIVE_INFINITY) return 0;
      keys.set(text(name), entry.value);
      return 1;
    },
  },
  TTL: timeToLive(1000),
  PTTL: timeToLive(1),
  KEYS: {
    arity: 2,
    run: ({ keys }, [pattern]) => {
      const names = keys.entries().map(([name]) => name);
      return names.filter(globMatcher(text(pattern))).map(bytesOf);
    },
  },
  SCAN: { arity: -2, run: scan },
  DBSIZE: { arity: 1, run: ({ keys }) => keys.size() },
  FLUSHDB: clearing,
  FLUSHALL: clearing,
};
