import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { freePort } from "#lab/testing/free-port.ts";
import type { Toxic } from "#scenarios/fault.ts";
import { type Listener, openListener } from "../listener.ts";

export interface Peer {
  readonly port: number;
  readonly sockets: readonly Socket[];
}

/** A service on a free port. Everything ends with the test. */
export async function openPeer(serve: (socket: Socket) => void): Promise<Peer> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** Sends everything back, and its end when the client ended. */
export const echo = (socket: Socket): void => {
  socket.on("data", (bytes) => socket.write(bytes));
  socket.on("end", () => socket.end());
};

/** A proxy in front of the peer, with these toxics from the start. */
export async function proxyTo(
  peer: Pick<Peer, "port">,
  toxics: readonly Toxic[] = [],
): Promise<Listener & { readonly port: number }> {
  const port = await freePort();
  const listener = await openListener(port, ["127.0.0.1"]);
  onTestFinished(() => listener.close());
  await listener.aim(peer.port);
  await listener.setToxics(toxics);
  return { ...listener, port };
}

/** What a client sees, in order of time. */
export interface Client {
  readonly socket: Socket;
  readonly text: () => string;
  /** Resolves once that much text has come. */
  readonly received: (length: number) => Promise<string>;
  /** Code of the error it ended with; `end` for an orderly one. */
  readonly over: Promise<string>;
}

export function openClient(port: number): Client {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  onTestFinished(() => void socket.destroy());
  let text = "";
  const waiting = new Set<() => void>();
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
    for (const look of waiting) look();
  });
  const over = new Promise<string>((resolve) => {
    socket.on("end", () => resolve("end"));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  return {
    socket,
    over,
    text: () => text,
    received: (length) =>
      new Promise((resolve) => {
        const look = () => {
          if (text.length < length) return;
          waiting.delete(look);
          resolve(text);
        };
        waiting.add(look);
        look();
      }),
  };
}

/** Milliseconds from a request to its answer. */
export async function timed(client: Client, message: string): Promise<number> {
  const begun = performance.now();
  const length = client.text().length + message.length;
  client.socket.write(message);
  await client.received(length);
  return performance.now() - begun;
}

/** Code of the error that a socket ends with; `end` for an orderly end. */
export const endOf = (socket: Socket | undefined): Promise<string> =>
  new Promise((resolve) => {
    socket?.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket?.on("close", () => resolve("end"));
  });
