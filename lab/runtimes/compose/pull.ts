import { spawn } from "node:child_process";
import { composeFile } from "./compose-file.ts";
import { type ComposeTool, commandOf } from "./compose-tool.ts";
import { composeFailure } from "./failures.ts";
import { readPullProgress } from "./pull-progress.ts";

/**
 * Pulls the image of a service, unless it is here. A process of its own: what the docker-compose
 * package started could not be ended again, and an image takes minutes.
 * @param report hears the share done, from 0 to 1.
 * @throws LabError `compose-failed`, `engine-absent`, `engine-permission`; the signal's reason.
 */
export async function pullImage(
  service: string,
  tool: ComposeTool,
  env: NodeJS.ProcessEnv,
  report: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const { file, args } = commandOf(tool);
  const json = tool.version.localeCompare("2.29", "en", { numeric: true }) >= 0;
  const pull = spawn(
    file,
    [
      ...args,
      ...["--file", composeFile, "--progress", json ? "json" : "plain"],
      ...["pull", "--policy", "missing", service],
    ],
    // A group of its own, since docker and its plugin are two processes.
    { env, detached: true, stdio: ["ignore", "pipe", "pipe"] },
  );
  const end = (): void => {
    if (pull.pid === undefined) return;
    try {
      process.kill(-pull.pid, "SIGTERM");
    } catch {
      // It is over.
    }
  };
  signal?.addEventListener("abort", end, { once: true });
  const read = readPullProgress(report);
  let said = "";
  for (const stream of [pull.stdout, pull.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      read(text);
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      pull.on("error", reject);
      pull.on("close", resolve);
    });
    signal?.throwIfAborted();
    if (code !== 0)
      throw composeFailure(`pulling the image of ${service}`, { exitCode: code, err: said });
  } finally {
    signal?.removeEventListener("abort", end);
  }
}
