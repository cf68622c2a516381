import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  afterAll,
  beforeAll,
  describe,
  expect,
  onTestFinished,
  type TestContext,
  test,
  vi,
} from "vitest";
import type { ServiceStatus } from "#lab/api/services.ts";
import { npmPostgres, systemPostgres } from "#lab/providers/postgres-binaries.ts";
import { identify } from "#lab/supervisor/process-identity.ts";
import { remountDisk, smallDisk } from "#lab/supervisor/testing/small-disk.ts";
import { eventually, temporaryDir } from "#lab/supervisor/testing/supervise.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const script = fileURLToPath(new URL("./testing/start-postgres.ts", import.meta.url));
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;
type Message = Partial<ServiceStatus> & { readonly failure?: string };

/** Starts the lab in a process of its own and gives the first message that satisfies `holds`. */
async function startLab(
  dir: string,
  env: Record<string, string> = {},
  options: { uid?: number; holds?: (message: Message) => boolean } = {},
): Promise<{ lab: ChildProcess; message: Message }> {
  const { uid, holds = ({ state, failure }) => state === "ready" || failure !== undefined } =
    options;
  const lab = spawn(process.execPath, [script, dir], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  onTestFinished(() => end(lab));
  return { lab, message: await nextMessage(lab, holds) };
}

/** The next message that satisfies `holds`. */
function nextMessage(lab: ChildProcess, holds: (message: Message) => boolean): Promise<Message> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: lab.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      const message: Message = JSON.parse(line);
      if (holds(message)) resolve(message);
    });
    lab.once("exit", () => reject(new Error("the lab ended before")));
  });
}

async function end(lab: ChildProcess): Promise<void> {
  if (lab.exitCode !== null || lab.signalCode !== null) return;
  const ended = new Promise((resolve) => lab.once("exit", resolve));
  lab.stdout?.resume();
  lab.kill("SIGTERM");
  await ended;
}

/** User id of a process. */
function userOf(pid: number | null | undefined): number {
  return Number(execFileSync("ps", ["-o", "uid=", "-p", String(pid)], { encoding: "utf8" }));
}

async function elsewhereOf(dir: string): Promise<string> {
  return JSON.parse(await readFile(join(dir, "postgres", "elsewhere.json"), "utf8")).dir;
}

function needsUserNamespaces(context: TestContext): void {
  const able = spawnSync("unshare", ["--user", "--map-user=65534", "true"]);
  context.skip(able.status !== 0, "user namespaces are not allowed here");
}

function needsRoot(context: TestContext): void {
  context.skip(!isRoot, "only root is refused by PostgreSQL");
}

// initdb takes the most time by far, so one cluster goes through all the ways.
describe("one cluster, started in every way", () => {
  let dir: string;
  const data = () => join(dir, "postgres", "data");
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test("as root, a user namespace leaves the files where they are, root's", async (context) => {
    needsRoot(context);
    needsUserNamespaces(context);
    const { message } = await startLab(dir, { LAB_POSTGRES_AS: "userns" });
    expect(message).toMatchObject({ state: "ready", version: expect.stringContaining("npm") });
    expect(userOf(message.pid)).toBe(0);
    expect((await stat(data())).uid).toBe(0);
  });

  test("as root without one it runs as nobody, with copies of what nobody cannot reach", async (context) => {
    needsRoot(context);
    const found = await npmPostgres({});
    if (!("path" in found)) return context.skip(found.notApplicable);
    const closed = join(dir, "closed");
    mkdirSync(closed, { mode: 0o700 });
    execFileSync("cp", ["-a", dirname(dirname(found.path)), closed]);
    const refusing = join(dir, "bin");
    mkdirSync(refusing);
    writeFileSync(join(refusing, "unshare"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    const env = {
      PATH: `${refusing}:${process.env.PATH}`,
      LAB_POSTGRES_BIN: join(closed, "native", "bin", "postgres"),
    };
    const first = await startLab(dir, env);
    expect(first.message.state).toBe("ready");
    expect(userOf(first.message.pid)).toBe(nobody);
    const elsewhere = await elsewhereOf(dir);
    expect(readdirSync(elsewhere).sort()).toEqual(["data", expect.stringContaining("programs-18")]);
    expect(lstatSync(elsewhere)).toMatchObject({ uid: 0 });
    expect(existsSync(data())).toBe(false);
    await end(first.lab);

    const again = await startLab(dir, env);
    expect(again.message.state).toBe("ready");
    expect(await elsewhereOf(dir), "the copies are used again").toBe(elsewhere);
  });

  test("a user namespace takes the data back", async (context) => {
    needsRoot(context);
    needsUserNamespaces(context);
    const elsewhere = await elsewhereOf(dir);
    const { message } = await startLab(dir, { LAB_POSTGRES_AS: "userns" });
    expect(message.state).toBe("ready");
    expect((await stat(data())).uid).toBe(0);
    expect(existsSync(elsewhere)).toBe(false);
  });

  test("as nobody, data that it can reach stays in the state folder", async (context) => {
    needsRoot(context);
    chmodSync(dir, 0o755);
    const { message } = await startLab(dir, { LAB_POSTGRES_AS: "user" });
    expect(message.state).toBe("ready");
    expect((await stat(data())).uid).toBe(nobody);
  });

  test("an ordinary user needs none of it", async (context) => {
    if (isRoot) {
      execFileSync("chown", ["-R", `${nobody}:${nobody}`, dir]);
      const able = spawnSync(process.execPath, ["--version"], { uid: nobody, gid: nobody });
      context.skip(able.status !== 0, "this clone is closed to other users");
    }
    const { message } = await startLab(dir, {}, isRoot ? { uid: nobody } : {});
    expect(message).toMatchObject({ state: "ready" });
    expect(userOf(message.pid)).toBe(isRoot ? nobody : process.getuid?.());
  });

  test("kill -9 of the lab leaves nothing, and the next start works", async () => {
    const { lab } = await startLab(dir);
    const ours = processesOf(dir);
    expect(ours.length).toBeGreaterThan(1);
    lab.kill("SIGKILL");
    await eventually(() => ours.every((pid) => identify(pid) === undefined), 3_000);
    expect((await startLab(dir)).message.state).toBe("ready");
  });
});

test("kill -9 of the lab while it makes the cluster leaves nothing, and the next start works", async () => {
  const dir = await temporaryDir();
  const holds = ({ progress }: Message) => (progress?.done ?? 0) > 0.5;
  const { lab } = await startLab(dir, {}, { holds });
  const ours = processesOf(dir);
  expect(ours.length).toBeGreaterThan(0);
  lab.kill("SIGKILL");
  await eventually(() => ours.every((pid) => identify(pid) === undefined), 3_000);
  expect((await startLab(dir)).message.state).toBe("ready");
});

test("on a full disk it says so, and goes on by itself once there is space", async (context) => {
  const dir = await smallDisk(16 * 1024 * 1024);
  if (!dir) return context.skip("mounting a small disk is not allowed here");
  const holds = ({ failure }: Message) => failure !== undefined;
  const { lab, message } = await startLab(dir, {}, { holds });
  expect(message.failure).toBe("disk-full");
  remountDisk(dir, "size=300m");
  const { state, note } = await nextMessage(lab, (next) => next.state === "ready");
  expect({ state, note }).toEqual({ state: "ready", note: null });
  await end(lab);
});

test("an unknown way is refused", async () => {
  const { message } = await startLab(await temporaryDir(), { LAB_POSTGRES_AS: "magic" });
  expect(message.failure ?? message.note).toContain("bad-setting");
});

test("the system's PostgreSQL serves as well, and data of another major version is refused with a way out", async (context) => {
  const system = await systemPostgres({ PATH: "" });
  if (!("path" in system)) return context.skip(system.notApplicable);
  context.skip(system.version.startsWith("18."), "the system has the same version as npm");
  const dir = await temporaryDir();
  const { lab, message } = await startLab(dir, { LAB_POSTGRES_BIN: system.path });
  expect(message).toMatchObject({
    state: "ready",
    version: `${system.version.split(" ")[0]} (${dirname(system.path)})`,
  });
  await end(lab);
  const holds = ({ state }: Message) => state === "unavailable";
  const refused = await startLab(dir, {}, { holds });
  expect(refused.message.note).toContain("npm run lab -- reset");
});

/** Processes that have the folder in their command line, the watchdog among them. */
function processesOf(dir: string): readonly number[] {
  return execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(dir) && !line.includes("start-postgres"))
    .map((line) => Number.parseInt(line, 10));
}
