import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { Toxic } from "#scenarios/fault.ts";
import { type Connection, openConnection } from "./connection.ts";

/** A proxy in front of one service, on one port and one or more loopback addresses. */
export interface Listener {
  /**
   * Tells where the service is. `null`: it was there and is gone, so connections are refused as its
   * own port refuses them. Before the first call connections end in a reset.
   */
  readonly aim: (port: number | null) => Promise<void>;
  /** All that is armed from now on. Resolves once it holds for open connections and new ones. */
  readonly setToxics: (toxics: readonly Toxic[]) => Promise<void>;
  /** Connections that are open now. */
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

/** A port that had to be given up may be taken for a moment, for instance by somebody who looks for a free one. */
const listenAgainMs = 50;

/** @throws the error of `listen` when the port cannot be had; an address that this machine has not is left out. */
export async function openListener(port: number, hosts: readonly string[]): Promise<Listener> {
  const connections = new Set<Connection>();
  let servers: readonly Server[] = [];
  let target: number | null | undefined;
  let toxics: readonly Toxic[] = [];
  let closed = false;
  let turn: Promise<void> = Promise.resolve();

  const accept = (server: Server): void => {
    server.on("connection", (client) => {
      const connection = openConnection(client, target ?? undefined, toxics, () =>
        connections.delete(connection),
      );
      connections.add(connection);
      if (has(toxics, "reset")) connection.reset();
    });
  };
  const listen = async (): Promise<void> => {
    const opened: Server[] = [];
    try {
      for (const host of hosts) {
        const server = createServer({ allowHalfOpen: true, noDelay: true });
        accept(server);
        if (await listening(server, port, host)) opened.push(server);
      }
      servers = opened;
    } catch (error) {
      for (const server of opened) server.close();
      throw error;
    }
  };
  const refuse = (): void => {
    for (const server of servers) server.close();
    servers = [];
  };
  const wanted = (): boolean => !closed && target !== null && !has(toxics, "down");
  /** Listens or refuses, whichever is right now. */
  const adjust = async (): Promise<void> => {
    if (!wanted()) refuse();
    while (wanted() && servers.length === 0) {
      try {
        await listen();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, listenAgainMs));
      }
    }
    if (!wanted()) refuse();
  };
  /** One after the other, so that a port is never listened on twice. */
  const inTurn = (): Promise<void> => {
    turn = turn.then(adjust);
    return turn;
  };

  await listen();
  return {
    aim: (at) => {
      target = at;
      return inTurn();
    },
    setToxics: (now) => {
      toxics = now;
      for (const connection of [...connections]) {
        // Whose requests are to be answered by somebody else must come again.
        if (has(now, "down") || has(now, "answer")) connection.drop();
        else if (has(now, "reset")) connection.reset();
        else connection.setToxics(now);
      }
      return inTurn();
    },
    connections: () => connections.size,
    close: () => {
      closed = true;
      for (const connection of [...connections]) connection.drop();
      return inTurn();
    },
  };
}

const has = (toxics: readonly Toxic[], kind: Toxic["kind"]): boolean =>
  toxics.some((toxic) => toxic.kind === kind);

async function listening(server: Server, port: number, host: string): Promise<boolean> {
  try {
    server.listen({ port, host, exclusive: true, backlog: 511 });
    await once(server, "listening");
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return false;
    throw error;
  }
}
