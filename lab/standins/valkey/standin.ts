import { hash, timingSafeEqual } from "node:crypto";
import { createServer, type Socket } from "node:net";
import type { Data } from "./commands.ts";
import { openKeyspace } from "./keyspace.ts";
import { encode, type Reply, requestReader } from "./resp.ts";
import { answer, type Session } from "./session.ts";

/** What all connections share. */
export interface World extends Data {
  readonly sessions: ReadonlySet<Session>;
  readonly counts: { commands: number; hits: number; misses: number };
  readonly settings: Readonly<Record<string, string>>;
  readonly isPassword: (given: Buffer) => boolean;
  /** The text of INFO. */
  readonly info: () => string;
}

export interface ValkeyStandIn {
  readonly port: number;
  readonly close: () => Promise<void>;
}

const maxMemory = 64 * 1024 * 1024;
const limits = { items: 1024 * 1024, itemBytes: 16 * 1024 * 1024 };
/** Who has not proved who it is gets little room. */
const strangerLimits = { items: 10, itemBytes: 16 * 1024 };

/**
 * A small server that speaks Valkey's protocol (RESP2): what sessions, a cache and pub/sub need, with
 * one database in memory. Beyond 64 MiB it refuses writes.
 * @param options.port 0 for any free port.
 * @throws Error when it cannot listen.
 */
export function openValkeyStandIn(options: {
  readonly port: number;
  readonly password: string;
  readonly version: string;
}): Promise<ValkeyStandIn> {
  const sessions = new Set<Session>();
  const keys = openKeyspace(maxMemory);
  const counts = { connections: 0, commands: 0, hits: 0, misses: 0 };
  const startedAt = Date.now();
  const secret = hash("sha256", options.password, "buffer");
  const world: World = {
    sessions,
    keys,
    counts,
    settings: { maxmemory: String(maxMemory), "maxmemory-policy": "noeviction", databases: "1" },
    isPassword: (given) => timingSafeEqual(hash("sha256", given, "buffer"), secret),
    read: (key) => {
      const entry = keys.get(key);
      counts[entry ? "hits" : "misses"]++;
      return entry?.value;
    },
    info: () => {
      const now = Date.now();
      const lives = keys
        .entries()
        .filter(([, { expiresAt }]) => expiresAt < Number.POSITIVE_INFINITY);
      return infoText({
        Server: {
          server_name: "observability-lab-stand-in",
          // Clients look it up to know what they may ask for.
          redis_version: "7.2.4",
          lab_version: options.version,
          redis_mode: "standalone",
          process_id: process.pid,
          uptime_in_seconds: Math.floor((now - startedAt) / 1000),
        },
        Clients: { connected_clients: sessions.size },
        Memory: {
          used_memory: keys.counts.bytes,
          used_memory_rss: process.memoryUsage.rss(),
          maxmemory: maxMemory,
        },
        Persistence: { loading: 0 },
        Stats: {
          total_connections_received: counts.connections,
          total_commands_processed: counts.commands,
          expired_keys: keys.counts.expired,
          evicted_keys: 0,
          keyspace_hits: counts.hits,
          keyspace_misses: counts.misses,
        },
        Replication: { role: "master", connected_slaves: 0 },
        Keyspace:
          keys.size() > 0 ? { db0: `keys=${keys.size()},expires=${lives.length},avg_ttl=0` } : {},
      });
    },
  };
  const server = createServer((socket) => {
    counts.connections++;
    serve({
      ...{ id: counts.connections, socket, world, name: "", queue: undefined },
      ...{ trusted: false, spoilt: false, channels: new Set(), patterns: new Map() },
    });
  });

  function serve(session: Session): void {
    const { socket } = session;
    const read = requestReader(() => (session.trusted ? limits : strangerLimits));
    sessions.add(session);
    socket.setNoDelay(true);
    socket.on("close", () => sessions.delete(session));
    // A client that goes away is no trouble of ours.
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const request of read(chunk)) send(socket, answer(session, request));
      } catch (error) {
        socket.end(encode({ error: error instanceof Error ? error.message : String(error) }));
      }
    });
  }

  return new Promise((resolve, reject) => {
    // Reading removes keys whose time is over; those that nobody reads are looked at now and then.
    const sweeps = setInterval(keys.entries, 5_000).unref();
    server.once("error", reject);
    server.listen({ port: options.port, host: "127.0.0.1" }, () => {
      const address = server.address();
      resolve({
        port: address !== null && typeof address === "object" ? address.port : 0,
        close: () => {
          clearInterval(sweeps);
          for (const { socket } of sessions) socket.destroy();
          return new Promise((closed) => server.close(() => closed()));
        },
      });
    });
  });
}

/** Answers to a pipeline leave together. */
function send(socket: Socket, reply: Reply | undefined): void {
  if (reply === undefined || !socket.writable) return;
  if (socket.writableCorked === 0) {
    socket.cork();
    queueMicrotask(() => socket.uncork());
  }
  socket.write(encode(reply));
}

type Section = Readonly<Record<string, string | number>>;

function infoText(sections: Readonly<Record<string, Section>>): string {
  return Object.entries(sections)
    .map(([title, fields]) => {
      const lines = Object.entries(fields).map(([name, value]) => `${name}:${value}\r\n`);
      return `# ${title}\r\n${lines.join("")}`;
    })
    .join("\r\n");
}
