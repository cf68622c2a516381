import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ServiceStatus } from "#lab/api/services.ts";
import { identify } from "./process-identity.ts";
import { fakeService } from "./testing/fake-descriptors.ts";
import {
  eventually,
  inState,
  rowOf,
  rowWhen,
  superviseInTest,
  temporaryDir,
} from "./testing/supervise.ts";

const ask = async (url: string | undefined, path = "/") => fetch(`${url}${path}`);

describe("starting", () => {
  test("services start by dependency and are told each other's ports", async () => {
    const lab = await superviseInTest([
      fakeService("store"),
      fakeService("server", {
        dependsOn: ["store"],
        env: ({ portOf }) => ({ FAKE_SAYS: `store is on ${portOf("store")}` }),
      }),
    ]);
    expect(rowOf(lab, "server").note).toBe("Waits for Fake store.");
    const order: string[] = [];
    lab.subscribe((row) => order.push(`${row.id} ${row.state}`));
    await lab.ready();
    expect(order.indexOf("store ready")).toBeLessThan(order.indexOf("server preparing"));
    const answer = await ask(lab.url("server"));
    expect(await answer.text()).toBe(`store is on ${rowOf(lab, "store").port}`);
    expect(rowOf(lab, "server")).toMatchObject({
      state: "ready",
      kind: "real",
      version: "1",
      restarts: 0,
      note: null,
      startMs: expect.any(Number),
    });
  });

  test("a service that loads early is there while it waits, begins once it need not, and can end before", async () => {
    let mayBegin = (): void => {};
    const settled = new Promise<void>((resolve) => {
      mayBegin = resolve;
    });
    const lab = await superviseInTest(
      [
        fakeService("store", { settle: () => settled }),
        fakeService("server", { dependsOn: ["store"], loadsEarly: true, says: ["loaded"] }),
      ],
      { backOffMs: () => 10 },
    );
    const loaded = () => lab.log("server", 10).then((lines) => lines.filter((l) => l === "loaded"));
    await expect.poll(loaded, { timeout: 15_000 }).toHaveLength(1);
    const early = rowOf(lab, "server");
    expect(early).toMatchObject({ state: "waiting", note: "Waits for Fake store." });
    await expect(ask(lab.url("server"))).rejects.toThrow();
    process.kill(early.pid as number, "SIGKILL");
    await rowWhen(lab, "server", (row) => row.state === "waiting" && row.restarts === 1);
    mayBegin();
    await lab.ready();
    expect((await ask(lab.url("server"))).status).toBe(200);
  });

  test("a service that loads early goes with the lab", async () => {
    const lab = await superviseInTest([
      fakeService("store", { status: 503 }),
      fakeService("server", { dependsOn: ["store"], loadsEarly: true }),
    ]);
    const { pid } = await rowWhen(lab, "server", (row) => row.pid !== null);
    await lab.shutdown();
    expect(identify(pid as number)).toBeUndefined();
  });

  test("a service that is not ready in time is named with what was seen and its last lines", async () => {
    const slow = fakeService("server", { startTimeoutMs: 1_000 });
    const launch = () => ({
      file: "sh",
      args: ["-c", "echo warming up; exec sleep 600"],
      cwd: "/",
    });
    const lab = await superviseInTest([{ ...slow, embedded: { ...slow.embedded, launch } }]);
    await expect(lab.ready()).rejects.toMatchObject({
      code: "start-timeout",
      message: expect.stringMatching(
        /Fake server was not ready after 1 s; last seen: GET http:\S+ connect ECONNREFUSED \S+ Last lines:\nwarming up$/,
      ),
      hint: expect.stringContaining("server.log"),
    });
  });

  test("lines with lab.progress show in the row, and go when it is ready", async () => {
    const says = ['{"lab.progress":{"step":"seeding orders","done":0.4}}'];
    const lab = await superviseInTest([fakeService("server", { says })]);
    const row = await rowWhen(lab, "server", ({ progress }) => progress !== null);
    expect(row.progress).toEqual({ step: "seeding orders", done: 0.4 });
    await lab.ready();
    expect(rowOf(lab, "server").progress).toBeNull();
  });

  test("a program that is not there makes the service unavailable, says why, and lets the others run", async () => {
    const absent = fakeService("valkey");
    const lab = await superviseInTest([
      {
        ...absent,
        embedded: {
          ...absent.embedded,
          providers: [async () => ({ notApplicable: "not installed", hint: "apt install it" })],
        },
      },
      fakeService("server"),
    ]);
    await expect(lab.ready()).rejects.toMatchObject({ code: "no-program", hint: "apt install it" });
    await lab.start("server");
    expect(rowOf(lab, "valkey")).toMatchObject({
      state: "unavailable",
      kind: "absent",
      note: expect.stringContaining("not installed"),
    });
  });

  test("LAB_<ID>_BIN names the program, and nothing else is tried", async () => {
    const env = { ...process.env, LAB_SERVER_BIN: "/nowhere/server.mjs" };
    const lab = await superviseInTest([fakeService("server", { startTimeoutMs: 5_000 })], { env });
    const row = await rowWhen(lab, "server", inState("backing-off"));
    expect(row.note).toContain("exited with code 1");
    expect((await lab.log("server", 50)).join("\n")).toContain("/nowhere/server.mjs");
  });

  test("a port asked for by name and taken is refused with its owner", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void taken.close());
    const port = (taken.address() as { port: number }).port;
    const env = { ...process.env, LAB_SERVER_PORT: String(port) };
    const lab = await superviseInTest([fakeService("server")], { env });
    await expect(lab.ready()).rejects.toMatchObject({
      code: "port-busy",
      message: expect.stringContaining(`pid ${process.pid}`),
      hint: expect.stringContaining("LAB_SERVER_PORT=<port>"),
    });
  });

  test("a preferred port that is taken moves on", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void taken.close());
    const preferred = (taken.address() as { port: number }).port;
    const lab = await superviseInTest([
      fakeService("server", { ports: [{ name: "main", preferred }] }),
    ]);
    await lab.ready();
    expect(rowOf(lab, "server").port).not.toBe(preferred);
  });

  test("a port lost to somebody else between the choice and the start is replaced, without a crash", async () => {
    let first: number | undefined;
    const lab = await superviseInTest([
      fakeService("server", {
        env: ({ port }) => {
          first ??= port();
          return { FAKE_PORT: String(first === port() ? taken : port()) };
        },
      }),
    ]);
    await lab.ready();
    expect(rowOf(lab, "server")).toMatchObject({ state: "ready", restarts: 0 });
    expect(rowOf(lab, "server").port).not.toBe(first);
  });

  test("another program that answers on the lost port is not taken for the service", async () => {
    let first: number | undefined;
    const lab = await superviseInTest([
      fakeService("server", {
        says: ["what answers here is this service"],
        env: ({ port }) => {
          if (first === undefined) {
            first = port();
            const other = createServer((_request, response) => response.end("another")).listen(
              first,
              "127.0.0.1",
            );
            onTestFinished(() => void other.close());
          }
          return {};
        },
      }),
    ]);
    await rowWhen(lab, "server", (row) => row.state === "ready" && row.port !== first);
    expect(rowOf(lab, "server").note).toBeNull();
    expect(await (await ask(lab.url("server"))).text()).not.toBe("another");
  });

  test("children get no proxy, Node or telemetry settings of the user's", async () => {
    const env = {
      ...process.env,
      https_proxy: "http://proxy",
      NO_PROXY: "x",
      NODE_OPTIONS: "--no-warnings",
      OTEL_SDK_DISABLED: "true",
      SENTRY_DSN: "http://x@y/1",
      PGHOST: "elsewhere",
      SOMETHING_ELSE: "kept",
    };
    const lab = await superviseInTest([fakeService("server")], { env });
    await lab.ready();
    const seen = Object.keys(Object(await (await ask(lab.url("server"), "/env")).json()));
    expect(seen).toContain("SOMETHING_ELSE");
    for (const name of [
      "https_proxy",
      "NO_PROXY",
      "NODE_OPTIONS",
      "OTEL_SDK_DISABLED",
      "SENTRY_DSN",
      "PGHOST",
    ])
      expect(seen).not.toContain(name);
  });
});

const taken = await new Promise<number>((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    server.unref();
    resolve((server.address() as { port: number }).port);
  });
});

test("dependants are started anew when a service had to move to another port", async () => {
  let starts = 0;
  const lab = await superviseInTest([
    fakeService("store", {
      env: ({ port }) => ({ FAKE_PORT: String(++starts === 2 ? taken : port()) }),
    }),
    fakeService("server", {
      dependsOn: ["store"],
      env: ({ portOf }) => ({ FAKE_SAYS: String(portOf("store")) }),
    }),
  ]);
  await lab.ready();
  const { port } = rowOf(lab, "store");
  await lab.restart("store");
  expect(rowOf(lab, "store").port).not.toBe(port);
  await rowWhen(lab, "server", (row) => row.state === "ready" && row.restarts === 1);
  expect(await (await ask(lab.url("server"))).text()).toBe(String(rowOf(lab, "store").port));
});

describe("crashing", () => {
  const backOffMs = () => 10;

  test("kill -9 of any child is noticed within 250 ms and healed within 3 s", async () => {
    const ids = ["store", "server"] as const;
    const lab = await superviseInTest([
      fakeService("store"),
      fakeService("server", { dependsOn: ["store"] }),
    ]);
    await lab.ready();
    for (const id of ids) {
      const { pid, port } = rowOf(lab, id);
      const killedAt = performance.now();
      process.kill(pid as number, "SIGKILL");
      const noticed = await rowWhen(lab, id, inState("backing-off"));
      expect(performance.now() - killedAt).toBeLessThan(250);
      expect(noticed.note).toContain("was ended by SIGKILL; next try in 0.25 s");
      const healed = await rowWhen(lab, id, inState("ready"));
      expect(performance.now() - killedAt).toBeLessThan(3_000);
      expect(healed).toMatchObject({ restarts: 1, port, note: null });
      expect(healed.pid).not.toBe(pid);
    }
  });

  test("all killed at once come back, dependants after what they depend on", async () => {
    const lab = await superviseInTest([
      fakeService("store"),
      fakeService("server", { dependsOn: ["store"] }),
    ]);
    await lab.ready();
    for (const row of lab.services()) process.kill(row.pid as number, "SIGKILL");
    const again = (row: ServiceStatus) => row.state === "ready" && row.restarts === 1;
    const [store, server] = await Promise.all([
      rowWhen(lab, "store", again),
      rowWhen(lab, "server", again),
    ]);
    expect(store.startedAt as number).toBeLessThanOrEqual(server.startedAt as number);
  });

  test("what a crashed service leaves running is ended", async () => {
    const lab = await superviseInTest([fakeService("server", { child: true })]);
    await lab.ready();
    const child = Number((await lab.log("server", 10)).join().match(/child (\d+)/)?.[1]);
    expect(identify(child)).toBeDefined();
    process.kill(rowOf(lab, "server").pid as number, "SIGKILL");
    await rowWhen(lab, "server", inState("backing-off"));
    await eventually(() => identify(child) === undefined, 1_000);
  });

  test("the fifth crash ends the tries, with the last lines; a start by hand tries again", async () => {
    const says = Array.from({ length: 25 }, (_, n) => `line ${n}.`);
    const lab = await superviseInTest([fakeService("server", { crashes: 3, says })], { backOffMs });
    await expect(lab.ready()).rejects.toMatchObject({ code: "crash-looping" });
    const { note, restarts, state } = rowOf(lab, "server");
    expect({ restarts, state }).toEqual({ restarts: 4, state: "crash-looping" });
    expect(note).toContain("Fake server exited with code 3, five times within a minute.");
    expect(note?.match(/line \d+\./g)).toEqual(says.slice(-20));
    const again = lab.start("server");
    await expect(again).rejects.toMatchObject({ code: "crash-looping" });
    expect(rowOf(lab, "server").restarts).toBe(9);
  });

  test("leased crashes do not count, and an ended lease counts again", async () => {
    const lab = await superviseInTest([fakeService("server")], { backOffMs });
    await lab.ready();
    const crash = async () => {
      const { restarts } = rowOf(lab, "server");
      await ask(lab.url("server"), "/crash").catch(() => {});
      return rowWhen(
        lab,
        "server",
        (row) =>
          row.state === "crash-looping" || (row.state === "ready" && row.restarts > restarts),
      );
    };
    const endLease = lab.leaseCrashes("server");
    for (let n = 1; n <= 6; n++) expect((await crash()).state).toBe("ready");
    endLease();
    endLease();
    const states = [];
    for (let n = 1; n <= 5; n++) states.push((await crash()).state);
    expect(states).toEqual(["ready", "ready", "ready", "ready", "crash-looping"]);
  });
});

describe("stopping", () => {
  test("dependants stop first, and nothing is left", async () => {
    const lab = await superviseInTest([
      fakeService("store", { child: true }),
      fakeService("server", { dependsOn: ["store"] }),
    ]);
    await lab.ready();
    const pids = lab.services().map(({ pid }) => pid as number);
    const stopped: string[] = [];
    lab.subscribe((row) => {
      if (row.state === "stopped") stopped.push(row.id);
    });
    await lab.shutdown();
    expect(stopped).toEqual(["server", "store"]);
    expect(pids.map((pid) => identify(pid))).toEqual([undefined, undefined]);
    await expect(lab.start("store")).rejects.toMatchObject({ code: "stopping" });
  });

  test("a stubborn child gets SIGKILL after its grace, and all is over within 5 s", async () => {
    const lab = await superviseInTest([
      fakeService("store", { stubborn: true, stop: { signal: "SIGTERM", graceMs: 300 } }),
      fakeService("server", {
        stubborn: true,
        dependsOn: ["store"],
        stop: { signal: "SIGTERM", graceMs: 60_000 },
      }),
    ]);
    await lab.ready();
    const began = performance.now();
    await lab.shutdown();
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(lab.services().map(({ state }) => state)).toEqual(["stopped", "stopped"]);
  });

  test("a second shutdown forces", async () => {
    const lab = await superviseInTest([
      fakeService("server", { stubborn: true, stop: { signal: "SIGTERM", graceMs: 60_000 } }),
    ]);
    await lab.ready();
    const began = performance.now();
    const first = lab.shutdown();
    await lab.shutdown();
    await first;
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test("a shutdown while services are starting leaves nothing", async () => {
    const lab = await superviseInTest([fakeService("server", { status: 503 })]);
    const { pid } = await rowWhen(lab, "server", (row) => row.pid !== null);
    await lab.shutdown();
    expect(identify(pid as number)).toBeUndefined();
    await expect(lab.ready()).rejects.toMatchObject({ code: "service-stopped" });
  });

  test("one service can be stopped, started and restarted by hand", async () => {
    const lab = await superviseInTest([fakeService("server")]);
    await lab.ready();
    await lab.stop("server");
    expect(rowOf(lab, "server")).toMatchObject({ state: "stopped", pid: null });
    await lab.start("server");
    const { pid } = rowOf(lab, "server");
    await lab.restart("server");
    expect(rowOf(lab, "server")).toMatchObject({ state: "ready", restarts: 2 });
    expect(rowOf(lab, "server").pid).not.toBe(pid);
  });

  test("starting a service starts what it depends on", async () => {
    const lab = await superviseInTest([
      fakeService("store"),
      fakeService("server", { dependsOn: ["store"] }),
    ]);
    await lab.ready();
    await Promise.all([lab.stop("server"), lab.stop("store")]);
    await lab.start("server");
    expect(lab.services().map(({ state }) => state)).toEqual(["ready", "ready"]);
  });
});

test("two labs run side by side with ports of their own", async () => {
  const labs = await Promise.all([
    superviseInTest([fakeService("store"), fakeService("server")]),
    superviseInTest([fakeService("store"), fakeService("server")]),
  ]);
  await Promise.all(labs.map((lab) => lab.ready()));
  const ports = labs.flatMap((lab) => lab.services().map(({ port }) => port));
  expect(new Set(ports).size).toBe(4);
});

test("output is kept, followed as it is written, and in the log file", async () => {
  const lab = await superviseInTest([fakeService("server", { says: ["one", "two"] })]);
  const lines: string[] = [];
  const following = new AbortController();
  lab.followLog("server", (line) => lines.push(line), following.signal);
  await lab.ready();
  expect(await lab.log("server", 1)).toEqual(["two"]);
  expect(lines).toEqual(["one", "two"]);
  following.abort();
  await lab.restart("server");
  expect(lines).toEqual(["one", "two"]);
  await lab.shutdown();
  const file = await readFile(join(lab.dir, "logs", "server.log"), "utf8");
  expect(file.match(/one\ntwo\n/g)).toHaveLength(2);
});

test("a state folder that cannot be made is told with what to do", async () => {
  const dir = join(await temporaryDir(), "file");
  await writeFile(dir, "");
  const lab = await superviseInTest([fakeService("server")], { dir: join(dir, "below") });
  await expect(lab.ready()).rejects.toMatchObject({
    code: "state-unwritable",
    hint: expect.stringContaining("LAB_DIR="),
  });
});
