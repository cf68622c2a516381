import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface StoreProcess {
  readonly child: ChildProcess;
  readonly port: number;
}

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Starts the store as the lab does, and waits until it listens. */
export async function startStore(dir: string): Promise<StoreProcess> {
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, LAB_STORE_PORT: "0", LAB_STORE_DIR: dir },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  const { port } = JSON.parse(line) as { port: number };
  return { child, port };
}
