import { connect, createServer, type Server, type Socket } from "node:net";
import * as v from "valibot";
import type { Engine } from "./engine.ts";

/** Ways for containers to programs that listen on the host's loopback. */
export interface HostDoors {
  /** Opens one to a port, once; harmless where containers reach loopback by themselves. */
  readonly open: (port: number) => void;
  readonly close: () => void;
}

const networkSchema = v.object({
  IPAM: v.object({
    Config: v.nullish(
      v.array(v.object({ Gateway: v.optional(v.string()), Subnet: v.optional(v.string()) })),
    ),
  }),
});

/**
 * On Linux `host-gateway` is the address of the engine's own bridge, where nothing of the lab listens:
 * the doors listen there and pass on to 127.0.0.1. Docker Desktop leads to the host's loopback itself,
 * and has no such address on this machine: then there is nothing to open.
 */
export async function openHostDoors(engine: Engine): Promise<HostDoors> {
  const address = await bridgeAddress(engine).catch(() => undefined);
  const doors = new Map<number, Server>();
  return {
    open: (port) => {
      if (address === undefined || doors.has(port)) return;
      doors.set(port, openDoor(address, port));
    },
    close: () => {
      for (const door of doors.values()) door.close();
      doors.clear();
    },
  };
}

function openDoor(address: string, port: number): Server {
  const server = createServer((from) => {
    const to = connect({ host: "127.0.0.1", port });
    from.pipe(to).pipe(from);
    const end = (one: Socket) => () => void one.destroy();
    from.on("error", end(to)).on("close", end(to));
    to.on("error", end(from)).on("close", end(from));
  });
  // Not an address of this machine, which the list of its interfaces would not tell: a bridge that no
  // container is attached to is left out there.
  server.on("error", () => {});
  server.listen({ host: address, port });
  server.unref();
  return server;
}

async function bridgeAddress(engine: Engine): Promise<string | undefined> {
  const seen = v.parse(networkSchema, await engine.ask("GET", "/networks/bridge"));
  const config = seen.IPAM.Config?.find(({ Subnet }) => Subnet?.includes("."));
  // An engine that chose the subnet itself does not tell the gateway: it takes the first address.
  return config?.Gateway ?? config?.Subnet?.replace(/\.\d+\/\d+$/, ".1");
}
