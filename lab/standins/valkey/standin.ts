import { hash, timingSafeEqual } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { answer, type Session } from "./commands.ts";
import { openKeyspace } from "./keyspace.ts";
import { encode, requestReader } from "./resp.ts";

export interface ValkeyStandIn {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/**
 * A small server that speaks Valkey's protocol (RESP2): what sessions, a cache and pub/sub need, with
 * one database in memory. Beyond 64 MiB it refuses writes.
 * @param options.port 0 for any free port.
 * @throws Error when it cannot listen.
 */
export function openValkeyStandIn(options: {
  readonly port: number;
  readonly password: string;
}): Promise<ValkeyStandIn> {
  const sessions = new Set<Session>();
  const keys = openKeyspace(64 * 1024 * 1024);
  const secret = hash("sha256", options.password, "buffer");
  const isPassword = (given: Buffer) => timingSafeEqual(hash("sha256", given, "buffer"), secret);

  function serve(socket: Socket): void {
    const shared = { sessions, keys, isPassword };
    const own = { socket, channels: new Set<string>(), trusted: false };
    const session: Session = { ...shared, ...own };
    // Who has not proved who it is gets little room.
    const read = requestReader(() => (session.trusted ? 2 ** 24 : 2 ** 14));
    sessions.add(session);
    socket.setNoDelay(true);
    socket.on("close", () => sessions.delete(session));
    // A client that goes away is no trouble of ours.
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      // Answers to a pipeline leave together.
      socket.cork();
      try {
        for (const request of read(chunk)) {
          const reply = answer(session, request);
          if (reply !== undefined && socket.writable) socket.write(encode(reply));
        }
      } catch (error) {
        socket.end(encode({ error: (error as Error).message }));
      }
      socket.uncork();
    });
  }

  const server = createServer(serve);
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
