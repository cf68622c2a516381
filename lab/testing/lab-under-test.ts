import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeElsewhere } from "#lab/state/elsewhere.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { type Running, readRunning } from "#lab/state/lock.ts";
import { identify, isAlive, type ProcessIdentity } from "#lab/supervisor/process-identity.ts";
import type { Offline } from "./offline.ts";

/** A lab of a test: its own folder, any free port, started and stopped by the real command line. */
export interface LabUnderTest {
  readonly dir: string;
  readonly origin: string;
  readonly pid: number;
  /** What the start printed. */
  readonly printed: string;
  readonly cli: (...args: readonly string[]) => Promise<Ended>;
  /** Stops it. @throws Error that names what it left behind. */
  readonly stop: () => Promise<void>;
}

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

/** Where labs of tests keep their built pages. Each would build the same one anew, which takes as long as all else of a start. */
const builtPages = join(repositoryDir, "node_modules", ".cache", "built-pages");

export async function newLabDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  await mkdir(builtPages, { recursive: true });
  await symlink(builtPages, join(dir, "page"));
  return dir;
}

/** Removes a state folder with all that its labs put elsewhere. */
export async function removeLabDir(dir: string): Promise<void> {
  await removeElsewhere(join(dir, "postgres"));
  await rm(dir, { recursive: true, force: true });
}

/** What a lab of a test gets instead of what the user set: its own folder, any port, no terminal. */
export function labEnvironment(dir: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("LAB_"));
  const { LAB_DOWNLOADS = "off" } = process.env;
  const set = { LAB_DIR: dir, LAB_PORT: "0", LAB_DOWNLOADS, CI: "1" };
  return { ...Object.fromEntries(own), ...set, ...more };
}

/** Runs `npm run lab -- <args>` without npm, to its end; `through` is put before the command. */
export function cli(
  dir: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
  through: readonly string[] = [],
): Promise<Ended> {
  const startedAt = performance.now();
  const node = [process.execPath, join(repositoryDir, "lab/bootstrap.mjs")];
  const [file, ...argv] = [...through, ...node, "lab", ...args] as [string, ...string[]];
  const settings = { cwd: repositoryDir, env: labEnvironment(dir, more) };
  return new Promise((resolve) => {
    execFile(file, argv, settings, (error, out, err) => {
      const code = error === null ? 0 : Number(error.code ?? 255);
      resolve({ code, out, err, ms: performance.now() - startedAt });
    });
  });
}

/**
 * Starts a lab in the background and waits until it is ready. `flags` are more of `up`'s, `more` of its
 * environment; with `offline` it has a network of its own.
 */
export async function startLab(
  dir?: string,
  flags: readonly string[] = [],
  more: NodeJS.ProcessEnv = {},
  offline?: Offline,
): Promise<LabUnderTest> {
  const own = dir ?? (await newLabDir());
  const started = await cli(
    own,
    ["up", "--detach", "--no-open", ...flags],
    more,
    offline?.begin ?? [],
  );
  if (started.code !== 0) throw new Error(`the lab did not start:\n${started.out}${started.err}`);
  const running = await runningIn(own);
  return {
    dir: own,
    origin: running.origin ?? "",
    pid: running.pid,
    printed: started.out + started.err,
    cli: (...args) => cli(own, args, more, offline?.join(running.pid) ?? []),
    stop: async () => {
      const processes = processesOf(own, running);
      const stopped = await cli(own, ["down"]);
      const left = await leftBehind(processes, running.origin);
      if (dir === undefined) await removeLabDir(own);
      if (stopped.code !== 0) throw new Error(`down failed: ${stopped.err}`);
      if (left.length > 0) throw new Error(`the lab left behind: ${left.join(", ")}`);
    },
  };
}

export async function runningIn(dir: string): Promise<Running> {
  const running = await readRunning(dir);
  if (running === undefined) throw new Error(`no lab runs in ${dir}`);
  return running;
}

/** The lab and the leaders of every process group it recorded, as they are now. */
export function processesOf(dir: string, { pid, start }: Running): readonly ProcessIdentity[] {
  const folder = join(dir, "groups");
  const recorded = readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), "utf8")
      .split("\n")
      .map((line) => Number(line.split(" ")[0]))
      .filter((leader) => leader > 1),
  );
  return [{ pid, start }, ...recorded.flatMap((leader) => identify(leader) ?? [])];
}

/** What should have ended with the lab and did not. */
export async function leftBehind(
  processes: readonly ProcessIdentity[],
  origin: string | null,
): Promise<readonly string[]> {
  const alive = processes.filter(isAlive).map(({ pid }) => `process ${pid} (${commandOf(pid)})`);
  const port = origin === null ? 0 : Number(new URL(origin).port);
  return port > 0 && (await isOpen(port)) ? [...alive, `port ${port}`] : alive;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "gone meanwhile";
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
