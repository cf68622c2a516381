import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export interface StoreProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** Lines on stdout so far, parsed. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** Sends the signal and waits for the end; `[code, signal]`. */
  readonly end: (signal: NodeJS.Signals) => Promise<readonly unknown[]>;
}

/** The real store process on a free port, ready; killed after the test. `wrap`: a command to run it under. */
export async function startStoreProcess(
  dir: string,
  env: Readonly<Record<string, string>> = {},
  wrap: readonly string[] = [],
): Promise<StoreProcess> {
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const [command = "", ...args] = [...wrap, process.execPath, main];
  const child = spawn(command, args, {
    env: { ...process.env, LAB_STORE_PORT: "0", LAB_STORE_DIR: dir, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const lines: Record<string, unknown>[] = [];
  const port = Promise.withResolvers<unknown>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const entry = JSON.parse(line) as Record<string, unknown>;
    lines.push(entry);
    if (entry.msg === "store ready") port.resolve(entry.port);
  });
  void exited.then(([code]) => port.reject(new Error(`the store ended with ${code}`)));
  return {
    child,
    url: `http://127.0.0.1:${await port.promise}`,
    lines,
    end: async (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}
