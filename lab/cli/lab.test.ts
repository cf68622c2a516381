import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { StatusBody } from "#lab/api/services.ts";
import { serviceIds } from "#lab/services/ids.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { readRunning } from "#lab/state/lock.ts";
import { isAlive } from "#lab/supervisor/process-identity.ts";
import { eventually, within } from "#lab/supervisor/testing/supervise.ts";
import {
  cli,
  type LabUnderTest,
  labEnvironment,
  leftBehind,
  newLabDir,
  processesOf,
  removeLabDir,
  runningIn,
  startLab,
} from "#lab/testing/lab-under-test.ts";

// A first start makes the database; the machine may be busy with other tests.
const startMs = 120_000;

let dir: string;
beforeAll(async () => {
  dir = await newLabDir();
});
afterAll(() => removeLabDir(dir));

const spawned: ChildProcess[] = [];
// A test that fails half-way must not leave its lab to the next one.
afterEach(async () => {
  for (const child of spawned.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

describe("a lab in the background", { timeout: startMs }, () => {
  let lab: LabUnderTest;
  beforeAll(async () => {
    lab = await startLab(dir);
  }, startMs);
  afterAll(async () => {
    // Ended by the last test; one that failed before must not leave the lab.
    if ((await readRunning(dir)) !== undefined) await lab.stop();
  });

  test("tells its state as one JSON document", async () => {
    const { code, out, err } = await lab.cli("status", "--json");
    const body = JSON.parse(out) as StatusBody;
    expect(body).toMatchObject({ running: true, pid: lab.pid, origin: lab.origin });
    const present = body.services.filter(({ kind }) => kind !== "absent");
    expect(new Set(present.map(({ state }) => state))).toEqual(new Set(["ready"]));
    expect(present.map(({ id }) => id)).toEqual(
      expect.arrayContaining(["postgres", "keycloak", "valkey", "minio", "store", "server"]),
    );
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });

  test("keeps a second start away, at once and with its address", async () => {
    const { code, out, err } = await cli(dir, []);
    expect(code).toBe(1);
    expect(err).toContain(`${lab.origin} (pid ${lab.pid})`);
    expect(out, "nothing was started").not.toContain("starting");
    expect((await lab.cli("status")).code).toBe(0);
  });

  test("runs a scenario whose trace holds driver, app and database", async () => {
    const { code, out } = await lab.cli("run", "db.n-plus-one", "--param", "n=20", "--json");
    const { run } = JSON.parse(out);
    expect(run).toMatchObject({
      scenario: "db.n-plus-one",
      driver: "lab-cli",
      params: { n: 20 },
      answer: { status: 200 },
      state: "settled",
    });
    expect(run.counts.spans).toBeGreaterThan(20);
    const seen = run.signals.filter((s: { seenAfterMs: number | null }) => s.seenAfterMs !== null);
    expect(seen.map(({ id }: { id: string }) => id)).toEqual(
      expect.arrayContaining(["server-span", "store-span", "log"]),
    );
    expect(code).toBe(0);
  });

  test("drives what happens in the browser by a browser", async () => {
    const unguarded = ["--param", "boundary=unguarded", "--json"];
    const { code, out } = await lab.cli("run", "ui.render-error", ...unguarded);
    const { run } = JSON.parse(out);
    expect(run).toMatchObject({ driver: "lab-web", mode: "fault", state: "settled" });
    expect(run.page).toEqual({ boundary: "unguarded", shown: "nothing" });
    const browserSpan = run.signals.find(({ id }: { id: string }) => id === "browser-span");
    expect(browserSpan.seenAfterMs).toBeGreaterThan(0);
    expect(code).toBe(0);
  }, 60_000);

  test("refuses parameters outside their limits, in the words of the lab", async () => {
    const { code, out, err } = await lab.cli("run", "db.n-plus-one", "--param", "n=-1", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(out).error.message).toContain("n must be from");
    expect(err).toContain("hint:");
  });

  test("restarts a service and waits for it", async () => {
    const pidOf = async () => {
      const { services } = JSON.parse((await lab.cli("status", "--json")).out) as StatusBody;
      return services.find(({ id }) => id === "server")?.pid;
    };
    const before = await pidOf();
    const { code, out } = await lab.cli("restart", "server", "--json");
    expect(JSON.parse(out)).toMatchObject({ id: "server", state: "ready" });
    expect(code).toBe(0);
    expect(await pidOf()).not.toBe(before);
  });

  test("shows the end of a service's log, and names the logs there are", async () => {
    expect((await lab.cli("logs", "store")).out).toContain("store ready");
    const { code, err } = await lab.cli("logs", "nobody");
    expect(code).toBe(1);
    expect(err).toMatch(/hint: There are: .*\blab, .*postgres/);
  });

  test("follows a log until Ctrl-C", async () => {
    const follower = spawnCli(["logs", "server", "--follow"]);
    const output = collect(follower);
    await output.until("listening");
    const { out } = await lab.cli("run", "db.n-plus-one", "--mode", "control", "--json");
    await output.until(JSON.parse(out).run.runId);
    follower.kill("SIGINT");
    expect((await once(follower, "close"))[0]).toBe(0);
  });

  test("is not reset under its own feet", async () => {
    const { code, err } = await lab.cli("reset");
    expect(code).toBe(1);
    expect(err).toContain(`pid ${lab.pid}`);
  });

  test("is what the doctor finds", async () => {
    const { code, out } = await lab.cli("doctor", "--json");
    const { findings } = JSON.parse(out);
    const states = findings.map(({ about, state }: Record<string, string>) => [about, state]);
    expect(Object.fromEntries(states)).toMatchObject({ "running lab": "good", postgres: "good" });
    const rows = new Map<string, { found: string; hint?: string }>(
      findings.map((finding: { about: string }) => [finding.about, finding]),
    );
    for (const id of serviceIds) {
      const { found, hint = "" } = rows.get(id) ?? { found: "no row" };
      if (!/^real/.test(found))
        expect(`${id}: ${hint}`).toMatch(/brew|nix|Docker|--runtime compose|a real Valkey/);
    }
    expect(code).toBe(0);
  });

  test(
    "lets a second lab live in another folder, which ends on Ctrl-C within 5 s, with a line per component and nothing left",
    async () => {
      const otherDir = await newLabDir();
      try {
        const other = spawnCli([], otherDir);
        const output = collect(other);
        await output.until("Ready in");
        const running = await runningIn(otherDir);
        expect(running.origin).not.toBe(lab.origin);
        const runs = await Promise.all([
          lab.cli("run", "db.n-plus-one"),
          cli(otherDir, ["run", "db.n-plus-one"]),
        ]);
        expect(runs.map(({ code }) => code)).toEqual([0, 0]);

        const processes = processesOf(otherDir, running);
        expect(processes.length).toBeGreaterThan(3);
        const closed = once(other, "close");
        // As a terminal does it: to the whole group, and npm passes on its own copy.
        process.kill(-(other.pid as number), "SIGINT");
        other.kill("SIGINT");
        const [code] = await within(5000, closed);
        expect(code).toBe(0);
        for (const id of ["postgres", "store", "server"]) {
          expect(output.text()).toMatch(new RegExp(`– ${id} +stopped`));
        }
        expect(output.text()).not.toContain("Stopping at once");
        expect(await leftBehind(processes, running.origin)).toEqual([]);
      } finally {
        await removeLabDir(otherDir);
      }
      expect((await lab.cli("status")).code).toBe(0);
    },
    startMs,
  );

  test(
    "leaves nothing after 3 s when it is ended by kill -9, and the next start comes up",
    async () => {
      const running = await runningIn(dir);
      const processes = processesOf(dir, running);
      process.kill(lab.pid, "SIGKILL");
      // What is left is named below.
      await eventually(() => !processes.some(isAlive), 3000).catch(() => {});
      expect(await leftBehind(processes, running.origin)).toEqual([]);

      const next = await cli(dir, ["--until-ready"]);
      expect(next.code, next.out + next.err).toBe(0);
      expect(next.out).toMatch(/✓ server +ready +\d+\.\d s/);
      expect(next.out).toContain("– postgres");
    },
    startMs,
  );
});

describe("a lab in the foreground", { timeout: startMs }, () => {
  test(
    "ends on Ctrl-C during its start too",
    async () => {
      const lab = spawnCli([]);
      const output = collect(lab);
      await output.until("postgres       starting");
      const processes = processesOf(dir, await runningIn(dir));
      process.kill(-(lab.pid as number), "SIGINT");
      expect((await once(lab, "close"))[0]).toBe(0);
      expect(output.text()).not.toContain("Ready in");
      expect(await leftBehind(processes, null)).toEqual([]);
    },
    startMs,
  );

  test(
    "ends when the process that started it is gone",
    async () => {
      const lab = spawnMain();
      await collect(lab).until("Ready in");
      const processes = processesOf(dir, await runningIn(dir));
      lab.disconnect();
      // "close" never comes once the parent has closed the channel itself.
      expect((await once(lab, "exit"))[0]).toBe(0);
      expect(await leftBehind(processes, null)).toEqual([]);
    },
    startMs,
  );
});

test("a busy LAB_PORT is refused, naming its owner", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const { code, err } = await cli(dir, [], { LAB_PORT: String(port) });
  server.close();
  expect(code).toBe(1);
  expect(err).toContain(`Port ${port}`);
  expect(err).toContain(`pid ${process.pid}`);
});

test("a start that fails in the background says why, and is gone", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const { code, err } = await cli(dir, ["up", "--detach"], { LAB_PORT: String(port) });
  server.close();
  expect(code).toBe(1);
  expect(err).toContain(`Port ${port}`);
  expect((await cli(dir, ["status"])).code).toBe(1);
});

test("without a lab, talking to it says how to start one", async () => {
  for (const args of [["status"], ["run", "db.n-plus-one"], ["restart", "server"]]) {
    const { code, err } = await cli(dir, args);
    expect({ args, code }).toEqual({ args, code: 1 });
    expect(err).toContain("npm run lab -- up --detach");
  }
  expect(JSON.parse((await cli(dir, ["status", "--json"])).out)).toEqual({ running: false });
  expect((await cli(dir, ["down"])).code).toBe(0);
  expect((await cli(dir, ["list"])).out).toContain("db.n-plus-one");
});

test("the doctor sees what a killed lab could not clear away", async () => {
  mkdirSync(join(dir, "groups"), { recursive: true });
  writeFileSync(join(dir, "groups", "4194305"), "owner 4194305 1 another-boot\n");
  const { code, out } = await cli(dir, ["doctor"]);
  expect(out).toMatch(/leftovers +of labs that were killed: pid 4194305/);
  expect(code).toBe(0);
});

test("reset throws the data away and says what it was", async () => {
  const { code, out } = await cli(dir, ["reset", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(out).removed).toEqual(expect.arrayContaining(["postgres", "store"]));
  expect(JSON.parse((await cli(dir, ["reset", "--json"])).out).removed).toEqual([]);
});

/** In a group of its own, as a shell gives to each command. */
const spawnCli = (args: readonly string[], labDir = dir): ChildProcess =>
  keep(
    spawn(process.execPath, [join(repositoryDir, "lab/bootstrap.mjs"), "lab", ...args], {
      cwd: repositoryDir,
      env: labEnvironment(labDir),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    }),
  );

/** As the bootstrap does where it has to start another Node. */
const spawnMain = (): ChildProcess =>
  keep(
    spawn(process.execPath, [join(repositoryDir, "lab/main.ts")], {
      cwd: repositoryDir,
      env: labEnvironment(dir),
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    }),
  );

function keep(child: ChildProcess): ChildProcess {
  spawned.push(child);
  return child;
}

/** What a process prints, and a way to wait for a part of it. */
function collect(child: ChildProcess) {
  let text = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk;
      for (const listener of listeners) listener();
    });
  }
  return {
    text: () => text,
    until: (part: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!text.includes(part)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        child.once("close", () => reject(new Error(`ended without "${part}":\n${text}`)));
        look();
      }),
  };
}
