import type { Socket } from "node:net";
import { bytesOf, type Command, dataCommands, text } from "./commands.ts";
import { globMatcher } from "./glob.ts";
import { encode, ok, type Reply } from "./resp.ts";
import type { World } from "./standin.ts";

interface Request {
  readonly name: string;
  readonly args: readonly Buffer[];
}

/** What is known of a connection. */
export interface Session {
  readonly id: number;
  readonly socket: Socket;
  readonly world: World;
  trusted: boolean;
  name: string;
  /** Between MULTI and EXEC. */
  queue: Request[] | undefined;
  /** A queued command was refused. */
  spoilt: boolean;
  readonly channels: Set<string>;
  readonly patterns: Map<string, (channel: string) => boolean>;
}

/** A subscriber that does not read is let go, as `client-output-buffer-limit pubsub` does. */
const unreadLimit = 32 * 1024 * 1024;
const neverQueued = new Set(["MULTI", "EXEC", "DISCARD"]);
const whileSubscribed = /^(?:P?(?:UN)?SUBSCRIBE|PING|QUIT)$/;

/** The answer to one request; undefined when it was pushed already. */
export function answer(session: Session, [head, ...args]: readonly Buffer[]): Reply | undefined {
  const name = text(head).toUpperCase();
  session.world.counts.commands++;
  try {
    const command = commandNamed(name, args.length + 1);
    if (!session.trusted && name !== "AUTH" && name !== "QUIT")
      throw new Error("NOAUTH Authentication required.");
    if (subscriptions(session) > 0 && !whileSubscribed.test(name))
      throw new Error(
        `ERR Can't execute '${name.toLowerCase()}': only pub/sub commands are allowed`,
      );
    if (session.queue && !neverQueued.has(name)) {
      session.queue.push({ name, args });
      return { simple: "QUEUED" };
    }
    return command(session, args);
  } catch (error) {
    if (session.queue) session.spoilt = true;
    return refusal(error);
  }
}

const refusal = (error: unknown): Reply => ({
  error: error instanceof Error ? error.message : String(error),
});

function commandNamed(name: string, words: number) {
  const ofSession = sessionCommands[name];
  const ofData = dataCommands[name];
  const { arity } = ofSession ?? ofData ?? { arity: 0 };
  if (arity === 0) throw new Error(`ERR unknown command '${name.slice(0, 128)}'`);
  if (arity > 0 ? words !== arity : words < -arity)
    throw new Error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
  return (session: Session, args: readonly Buffer[]): Reply | undefined =>
    ofSession ? ofSession.run(session, args) : ofData?.run(session.world, args);
}

const subscriptions = ({ channels, patterns }: Session): number => channels.size + patterns.size;

/** Sends what was not asked for now. */
function push({ socket }: Session, reply: Reply): void {
  socket.write(encode(reply));
  if (socket.writableLength > unreadLimit) socket.destroy();
}

function publish({ world }: Session, channel: Buffer, message: Buffer): number {
  let receivers = 0;
  for (const session of world.sessions) {
    if (session.channels.has(text(channel))) {
      receivers++;
      push(session, ["message", channel, message]);
    }
    for (const [pattern, matches] of session.patterns) {
      if (!matches(text(channel))) continue;
      receivers++;
      push(session, ["pmessage", bytesOf(pattern), channel, message]);
    }
  }
  return receivers;
}

const joining = (kind: "subscribe" | "psubscribe"): Command<Session> => ({
  arity: -2,
  run: (session, names) => {
    for (const name of names) {
      if (kind === "subscribe") session.channels.add(text(name));
      else session.patterns.set(text(name), globMatcher(text(name)));
      push(session, [kind, name, subscriptions(session)]);
    }
    return undefined;
  },
});

const leaving = (kind: "unsubscribe" | "punsubscribe"): Command<Session> => ({
  arity: -1,
  run: (session, names) => {
    const joined = kind === "unsubscribe" ? session.channels : session.patterns;
    const left = names.length > 0 ? names.map(text) : [...joined.keys()];
    if (left.length === 0) return [kind, null, subscriptions(session)];
    for (const name of left) {
      joined.delete(name);
      push(session, [kind, bytesOf(name), subscriptions(session)]);
    }
    return undefined;
  },
});

/** Ends what MULTI began. */
function takeQueue(session: Session, name: string) {
  const { queue, spoilt } = session;
  if (!queue) throw new Error(`ERR ${name} without MULTI`);
  session.queue = undefined;
  session.spoilt = false;
  return { queue, spoilt };
}

function perform(session: Session, { name, args }: Request): Reply {
  try {
    return commandNamed(name, args.length + 1)(session, args) ?? null;
  } catch (error) {
    return refusal(error);
  }
}

const lineOf = ({ id, socket, name }: Session): string =>
  `id=${id} addr=127.0.0.1:${socket.remotePort} name=${name} db=0\n`;

function client(session: Session, [sub, name]: readonly Buffer[]): Reply {
  switch (text(sub).toUpperCase()) {
    case "SETNAME":
      session.name = text(name);
      return ok;
    case "SETINFO":
      return ok;
    case "GETNAME":
      return session.name || null;
    case "ID":
      return session.id;
    case "LIST":
      return [...session.world.sessions].map(lineOf).join("");
    default:
      throw new Error(`ERR unknown subcommand '${text(sub)}'. Try CLIENT HELP.`);
  }
}

const sessionCommands: Readonly<Record<string, Command<Session>>> = {
  AUTH: {
    arity: -2,
    run: (session, args) => {
      const user = args.length === 1 ? "default" : text(args[0]);
      if (user !== "default" || !session.world.isPassword(args.at(-1) ?? Buffer.alloc(0)))
        throw new Error("WRONGPASS invalid username-password pair or user is disabled.");
      session.trusted = true;
      return ok;
    },
  },
  PING: {
    arity: -1,
    run: (session, [message]) =>
      subscriptions(session) > 0 ? ["pong", message ?? ""] : (message ?? { simple: "PONG" }),
  },
  ECHO: { arity: 2, run: (_session, [message]) => message ?? null },
  QUIT: {
    arity: -1,
    run: ({ socket }) => {
      socket.end(encode(ok));
      return undefined;
    },
  },
  SELECT: {
    arity: 2,
    run: (_session, [index]) => {
      if (text(index) !== "0") throw new Error("ERR DB index is out of range");
      return ok;
    },
  },
  CLIENT: { arity: -2, run: client },
  CONFIG: {
    arity: -3,
    run: ({ world }, [, ...patterns]) =>
      Object.entries(world.settings)
        .filter(([name]) => patterns.some((pattern) => globMatcher(text(pattern))(name)))
        .flat(),
  },
  INFO: { arity: -1, run: ({ world }) => world.info() },
  MULTI: {
    arity: 1,
    run: (session) => {
      if (session.queue) throw new Error("ERR MULTI calls can not be nested");
      session.queue = [];
      return ok;
    },
  },
  EXEC: {
    arity: 1,
    run: (session) => {
      const { queue, spoilt } = takeQueue(session, "EXEC");
      if (spoilt) throw new Error("EXECABORT Transaction discarded because of previous errors.");
      return queue.map((request) => perform(session, request));
    },
  },
  DISCARD: {
    arity: 1,
    run: (session) => {
      takeQueue(session, "DISCARD");
      return ok;
    },
  },
  PUBLISH: {
    arity: 3,
    run: (session, [channel, message]) => publish(session, channel as Buffer, message as Buffer),
  },
  SUBSCRIBE: joining("subscribe"),
  PSUBSCRIBE: joining("psubscribe"),
  UNSUBSCRIBE: leaving("unsubscribe"),
  PUNSUBSCRIBE: leaving("punsubscribe"),
};
