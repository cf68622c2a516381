import type { Socket } from "node:net";
import type { Keyspace } from "./keyspace.ts";
import { encode, ok, type Reply } from "./resp.ts";

/** A connection, and what it shares with the others. */
export interface Session {
  readonly socket: Socket;
  readonly sessions: ReadonlySet<Session>;
  readonly keys: Keyspace;
  readonly isPassword: (given: Buffer) => boolean;
  readonly channels: Set<string>;
  trusted: boolean;
}

type Run = (session: Session, args: readonly Buffer[]) => Reply | undefined;

const text = (bytes: Buffer | undefined): string => bytes?.toString("latin1") ?? "";
const bytesOf = (name: string): Buffer => Buffer.from(name, "latin1");

/** The answer to one request; undefined when it was sent already. */
export function answer(session: Session, [head, ...args]: readonly Buffer[]): Reply | undefined {
  const name = text(head).toUpperCase();
  try {
    const run = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (run === undefined) throw new Error(`ERR unknown command '${name.slice(0, 128)}'`);
    if (args.length < (fewestArguments[name] ?? 1))
      throw new Error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
    if (!session.trusted && name !== "AUTH") throw new Error("NOAUTH Authentication required.");
    if (session.channels.size > 0 && !/^(?:(?:UN)?SUBSCRIBE|PING|QUIT)$/.test(name))
      throw new Error(`ERR Can't execute '${name}': only pub/sub commands are allowed`);
    return run(session, args);
  } catch (error) {
    return { error: (error as Error).message };
  }
}

function integer(bytes: Buffer | undefined): number {
  if (!/^-?\d{1,15}$/.test(text(bytes)))
    throw new Error("ERR value is not an integer or out of range");
  return Number(text(bytes));
}

function set({ keys }: Session, [name, value, ...options]: readonly Buffer[]): Reply {
  const old = keys.get(text(name));
  let expiresAt = Number.POSITIVE_INFINITY;
  let holds = true;
  for (let at = 0; at < options.length; at++) {
    const word = text(options[at]).toUpperCase();
    if (word === "NX" || word === "XX") holds = (word === "NX") === (old === undefined);
    else if (word === "KEEPTTL") expiresAt = old?.expiresAt ?? expiresAt;
    else if (word === "EX" || word === "PX") {
      const life = integer(options[++at]) * (word === "EX" ? 1000 : 1);
      if (life <= 0) throw new Error("ERR invalid expire time in 'set' command");
      expiresAt = Date.now() + life;
    } else throw new Error("ERR syntax error");
  }
  if (holds) keys.set(text(name), value as Buffer, expiresAt);
  return holds ? ok : null;
}

function expire({ keys }: Session, [name, life]: readonly Buffer[], unitMs: number): Reply {
  const entry = keys.get(text(name));
  const expiresAt = Date.now() + integer(life) * unitMs;
  if (entry) keys.set(text(name), entry.value, expiresAt);
  return entry ? 1 : 0;
}

function timeToLive({ keys }: Session, [name]: readonly Buffer[], unitMs: number): Reply {
  const entry = keys.get(text(name));
  const leftMs = (entry?.expiresAt ?? 0) - Date.now();
  if (entry === undefined) return -2;
  return Number.isFinite(leftMs) ? Math.round(leftMs / unitMs) : -1;
}

/** A subscriber that does not read is let go, as `client-output-buffer-limit pubsub` does. */
function push({ socket }: Session, reply: Reply): void {
  socket.write(encode(reply));
  if (socket.writableLength > 32 * 1024 * 1024) socket.destroy();
}

/** Of those that do not need one. */
const fewestArguments: Readonly<Record<string, number>> = {
  ...{ SET: 2, EXPIRE: 2, PEXPIRE: 2, PUBLISH: 2 },
  ...{ FLUSHDB: 0, INFO: 0, PING: 0, QUIT: 0, UNSUBSCRIBE: 0 },
};

/** https://valkey.io/commands/ says what each does. */
const commands: Readonly<Record<string, Run>> = {
  GET: ({ keys }, [name]) => keys.get(text(name))?.value ?? null,
  SET: set,
  DEL: ({ keys }, names) => names.filter((name) => keys.delete(text(name))).length,
  EXPIRE: (session, args) => expire(session, args, 1000),
  PEXPIRE: (session, args) => expire(session, args, 1),
  TTL: (session, args) => timeToLive(session, args, 1000),
  PTTL: (session, args) => timeToLive(session, args, 1),
  INCR({ keys }, [name]) {
    const old = keys.get(text(name));
    const sum = (old ? integer(old.value) : 0) + 1;
    keys.set(text(name), Buffer.from(String(sum)), old?.expiresAt);
    return sum;
  },
  KEYS({ keys }, [pattern]) {
    const [, start, star] = /^([^*?[\]\\]*)(\*?)$/.exec(text(pattern)) ?? [];
    if (start === undefined) throw new Error("ERR the stand-in knows names and prefix* alone");
    const names = keys.entries().map(([name]) => name);
    return names.filter((it) => (star ? it.startsWith(start) : it === start)).map(bytesOf);
  },
  FLUSHDB({ keys }) {
    keys.clear();
    return ok;
  },
  PUBLISH({ sessions }, [channel = "", message = ""]) {
    const heard = [...sessions].filter(({ channels }) => channels.has(channel.toString("latin1")));
    for (const each of heard) push(each, ["message", channel, message]);
    return heard.length;
  },
  SUBSCRIBE(session, names) {
    for (const name of names) {
      session.channels.add(text(name));
      push(session, ["subscribe", name, session.channels.size]);
    }
    return undefined;
  },
  UNSUBSCRIBE(session, names) {
    const left = names.length > 0 ? names.map(text) : [...session.channels];
    if (left.length === 0) return ["unsubscribe", null, 0];
    for (const name of left) {
      session.channels.delete(name);
      push(session, ["unsubscribe", bytesOf(name), session.channels.size]);
    }
    return undefined;
  },
  AUTH(session, args) {
    if (!session.isPassword(args.at(-1) ?? Buffer.alloc(0)))
      throw new Error("WRONGPASS invalid username-password pair or user is disabled.");
    session.trusted = true;
    return ok;
  },
  PING: ({ channels }) => (channels.size > 0 ? ["pong", ""] : { simple: "PONG" }),
  CLIENT(_session, [sub]) {
    if (/^set(?:name|info)$/i.test(text(sub))) return ok;
    throw new Error(`ERR unknown subcommand '${text(sub)}'. Try CLIENT HELP.`);
  },
  // Drivers wait until nothing is loaded, and the lab counts the keys that stay.
  INFO({ keys }) {
    const lives = keys.entries().map(([, { expiresAt }]) => expiresAt);
    const counts = `keys=${lives.length},expires=${lives.filter(Number.isFinite).length}`;
    return `# Persistence\r\nloading:0\r\n# Keyspace\r\ndb0:${counts}\r\n`;
  },
  QUIT: ({ socket }) => void socket.end(encode(ok)),
};
