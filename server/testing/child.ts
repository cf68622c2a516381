import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A Node process of this repository that writes one JSON object per line. */
export interface Child {
  readonly pid: number;
  /** Every line so far, as written; of stdout and of stderr. */
  readonly lines: readonly string[];
  /** The first line, past or future, that parses to an object `match` accepts. Rejects at exit. */
  readonly line: (
    match: (line: Readonly<Record<string, unknown>>) => boolean,
  ) => Promise<Readonly<Record<string, unknown>>>;
  /** Exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** SIGTERM, then waits. */
  readonly stop: () => Promise<number | string>;
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Starts `node <args>` in the repository with nothing in its environment but `env` and PATH. */
export function startChild(args: readonly string[], env: Readonly<Record<string, string>>): Child {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const check of waiting.splice(0)) check();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      wake();
    });
  }
  let code: number | string | undefined;
  const exited = new Promise<number | string>((resolve) => {
    child.once("close", (exitCode, signal) => {
      code = exitCode ?? signal ?? "unknown";
      resolve(code);
      wake();
    });
  });
  return {
    pid: child.pid ?? -1,
    lines,
    exited,
    line: (match) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = lines.map(parse).find((line) => line !== undefined && match(line));
          if (found !== undefined) resolve(found);
          else if (code !== undefined) {
            reject(new Error(`the process ended with ${code}:\n${lines.join("\n")}`));
          } else waiting.push(check);
        };
        check();
      }),
    kill: (signal) => void child.kill(signal),
    async stop() {
      if (code === undefined) child.kill("SIGTERM");
      return exited;
    },
  };
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
