import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "#lab/errors.ts";
import { fewArenas, semiSpace } from "#lab/providers/node-memory.ts";
import { openLabDir, repositoryDir } from "#lab/state/lab-dir.ts";
import type { StartOptions } from "./arguments.ts";
import { backgroundEnv, type StartMessage } from "./background.ts";
import { type Board, liveBoard, plainBoard } from "./board.ts";
import type { Context, ExitCode } from "./context.ts";
import { onStopRequest } from "./interrupts.ts";
import { linkAdvice, openByLink, openPage } from "./open-page.ts";

/**
 * Starts the lab in a session of its own, shows its start, and leaves it running. Ctrl-C during the
 * start stops it.
 * @throws LabError `state-unwritable`, `disk-full`, or that with which the lab failed to start.
 */
export async function detach(
  options: StartOptions & { readonly token: boolean },
  context: Context,
): Promise<ExitCode> {
  await openLabDir(context.dir);
  const logFile = join(context.dir, "logs", "lab.log");
  const board = context.live ? liveBoard(process.stdout) : plainBoard(context.out);
  const lab = spawnLab(logFile, options, context);
  const dispose = onStopRequest((request) => lab.kill(request === 1 ? "SIGTERM" : "SIGKILL"));
  try {
    const link = await readyLab(lab, board, logFile);
    lab.disconnect();
    lab.unref();
    board.end();
    context.out(`Ready: ${link} (pid ${lab.pid}); stop it with: npm run lab -- down`);
    if (options.token) context.out(linkAdvice);
    if (options.open && context.live) {
      if (options.token) await openByLink(link, context);
      else openPage(link, context.env);
    }
    return 0;
  } finally {
    board.end();
    dispose();
  }
}

function spawnLab(
  logFile: string,
  { token, runtime }: StartOptions & { readonly token: boolean },
  { env, dir }: Context,
): ChildProcess {
  mkdirSync(join(dir, "logs"), { recursive: true });
  const log = openSync(logFile, "a", 0o600);
  const flags = [
    "--no-open",
    ...(token ? ["--token"] : []),
    ...(runtime ? ["--runtime", runtime] : []),
  ];
  const program = [semiSpace(4), join(repositoryDir, "lab/main.ts")];
  return spawn(process.execPath, [...program, ...flags], {
    cwd: repositoryDir,
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    env: { ...env, ...fewArenas(env), LAB_DIR: dir, ...backgroundEnv },
  });
}

function readyLab(lab: ChildProcess, board: Board, logFile: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let failure: LabError | undefined;
    lab.on("message", (message: StartMessage) => {
      switch (message.type) {
        case "row":
          board.row(message.row);
          return;
        case "note":
          board.note(message.line);
          return;
        case "ready":
          resolve(message.link);
          return;
        case "failed":
          failure = new LabError(message.code, message.message, { hint: message.hint });
      }
    });
    lab.on("error", reject);
    // What it said last may arrive after its end, but never after its channel is closed.
    lab.on("close", (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      reject(
        failure ??
          new LabError("start-ended", `The lab ended with ${how} before it was ready.`, {
            hint: `Its output is in ${logFile}`,
          }),
      );
    });
  });
}
