import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const repo = fileURLToPath(new URL("../../", import.meta.url));

/** A program of `node_modules`, run on this Node. */
export interface Tool {
  readonly name: string;
  /** Script inside `node_modules`. */
  readonly script: string;
  readonly args: readonly string[];
}

export interface Ended {
  readonly ok: boolean;
  /** How it ended when it did not end well, e.g. `exit code 1`. */
  readonly how: string;
  /** What it printed; empty when it printed to the terminal itself. */
  readonly output: string;
  readonly durationMs: number;
}

const running = new Set<ChildProcess>();

/**
 * Runs a tool to its end. Each has a process group of its own, so that Ctrl-C reaches it once,
 * through {@link stopTools}, and not once more from the terminal.
 */
export function runTool(
  tool: Tool,
  how: { readonly output: "shown" | "kept"; readonly env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const startedAt = performance.now();
  const kept = how.output === "kept";
  const colour = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
  const child = spawn(process.execPath, [`${repo}node_modules/${tool.script}`, ...tool.args], {
    cwd: repo,
    detached: true,
    stdio: ["ignore", kept ? "pipe" : "inherit", kept ? "pipe" : "inherit"],
    env: { ...process.env, ...(kept ? colour : {}), ...how.env },
  });
  running.add(child);
  const chunks: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    const end = (ok: boolean, words: string): void => {
      running.delete(child);
      const output = Buffer.concat(chunks).toString().trimEnd();
      resolve({ ok, how: words, output, durationMs: performance.now() - startedAt });
    };
    child.on("error", (error) => end(false, error.message));
    child.on("close", (code, signal) => end(code === 0, signal ?? `exit code ${code}`));
  });
}

/** Asks every running tool to end; `kill` does not ask. */
export function stopTools(signal: "SIGINT" | "SIGKILL"): void {
  for (const { pid } of running) {
    try {
      if (pid !== undefined) process.kill(-pid, signal);
    } catch {
      // Its group has ended by itself.
    }
  }
}
