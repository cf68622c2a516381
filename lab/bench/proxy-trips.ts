// Round trips with and without a proxy, in a process of its own, so that a benchmark can say on which
// cores it runs. Prints the times' percentiles in milliseconds as JSON.
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { openProxies } from "#lab/faults/proxies.ts";
import { percentile } from "./statistics.ts";

/** Round trips of one turn; direct and proxied turns alternate, so that both see the same machine. */
const tripsPerTurn = 500;
const turns = 20;
/** About what a query and a small answer weigh. */
const message = Buffer.alloc(128, "x");

/** What `proxy-trips.ts` prints. Times in milliseconds. */
export interface ProxyTrips {
  readonly samples: number;
  readonly direct: readonly [p50: number, p99: number];
  readonly proxied: readonly [p50: number, p99: number];
}

async function compare(direct: Socket, proxied: Socket): Promise<ProxyTrips> {
  const times = { direct: [] as number[], proxied: [] as number[] };
  await turn(direct);
  await turn(proxied);
  for (let n = 0; n < turns; n++) {
    times.direct.push(...(await turn(direct)));
    times.proxied.push(...(await turn(proxied)));
  }
  direct.destroy();
  proxied.destroy();
  const both = (all: readonly number[]) => [percentile(all, 50), percentile(all, 99)] as const;
  const samples = turns * tripsPerTurn;
  return { samples, direct: both(times.direct), proxied: both(times.proxied) };
}

/** Times of round trips one after the other, in milliseconds. */
async function turn(socket: Socket): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < tripsPerTurn; n++) {
    const begun = performance.now();
    await trip(socket);
    times.push(performance.now() - begun);
  }
  return times;
}

function trip(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let missing = message.length;
    const take = (bytes: Buffer): void => {
      missing -= bytes.length;
      if (missing > 0) return;
      socket.off("data", take);
      resolve();
    };
    socket.on("data", take);
    socket.write(message);
  });
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  // The proxy connects on while its own client is connected already.
  await trip(socket);
  return socket;
}

const peer = fork(new URL("./echo-peer.ts", import.meta.url));
const [port] = (await once(peer, "message")) as [number];
const proxies = openProxies();
const proxied = await proxies.portOf("postgres");
proxies.aim("postgres", port);
process.stdout.write(JSON.stringify(await compare(await open(port), await open(proxied))));
await proxies.close();
peer.disconnect();
