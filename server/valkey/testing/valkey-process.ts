import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../../testing/free-port.ts";

const password = "password-of-this-test";
const root = fileURLToPath(new URL("../../..", import.meta.url));

/** A Valkey in a process of its own: the program of `LAB_VALKEY_BIN`, else the lab's stand-in. */
export interface ValkeyProcess {
  readonly url: string;
  readonly port: number;
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** Stops it where it stands: connections are accepted, nothing is answered. */
  readonly freeze: () => void;
  readonly thaw: () => void;
}

export async function startValkey(): Promise<ValkeyProcess> {
  const port = await freePort();
  let child = launch(port);
  await accepting(port);
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    port,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
    async start() {
      child = launch(port);
      await accepting(port);
    },
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
  };
}

function launch(port: number): ChildProcess {
  const real = process.env.LAB_VALKEY_BIN;
  if (real !== undefined) {
    const settings = ["--port", String(port), "--bind", "127.0.0.1", "--save", ""];
    return spawn(real, [...settings, "--requirepass", password], { stdio: "ignore", cwd: "/tmp" });
  }
  return spawn(process.execPath, ["lab/standins/valkey/main.ts"], {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? "",
      LAB_VALKEY_PORT: String(port),
      LAB_VALKEY_PASSWORD: password,
    },
    stdio: "ignore",
  });
}

/** Passes everything on to `port`, and the answers so much later. */
export async function startSlowRoad(
  port: number,
): Promise<{ readonly port: number; delayMs: number; readonly close: () => void }> {
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    near.pipe(far);
    far.on("data", (chunk) => setTimeout(() => near.write(chunk), road.delayMs).unref());
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const road = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    delayMs: 0,
    close: () => void server.close(),
  };
  return road;
}

async function accepting(port: number): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(10)) {
    const socket = connect(port, "127.0.0.1");
    const there = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (there) return;
  }
  throw new Error("valkey did not accept connections within 30 s");
}
