import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { identify } from "./process-identity.ts";
import { fakeService } from "./testing/fake-descriptors.ts";
import { ask, inState, rowOf, rowWhen, superviseInTest } from "./testing/supervise.ts";

const taken = await new Promise<number>((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    server.unref();
    resolve((server.address() as { port: number }).port);
  });
});

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
  await expect.poll(loaded).toHaveLength(1);
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
  const slow = fakeService("server", { startTimeoutMs: 3_000 });
  const launch = () => ({
    file: "sh",
    args: ["-c", "echo warming up; exec sleep 600"],
    cwd: "/",
  });
  const lab = await superviseInTest([{ ...slow, embedded: { ...slow.embedded, launch } }]);
  await expect(lab.ready()).rejects.toMatchObject({
    code: "start-timeout",
    message: expect.stringMatching(
      /Fake server was not ready after 3 s; last seen: GET http:\S+ connect ECONNREFUSED \S+ Last lines:\nwarming up$/,
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

test("a first start goes on when what loads early is started anew for a port that had to move", async () => {
  let storeStarts = 0;
  const loaded = Promise.withResolvers<void>();
  const lab = await superviseInTest([
    fakeService("store", {
      settle: () => loaded.promise,
      env: ({ port }) => ({ FAKE_PORT: String(++storeStarts === 1 ? taken : port()) }),
    }),
    fakeService("server", {
      dependsOn: ["store"],
      loadsEarly: true,
      says: ["loaded"],
      env: ({ portOf }) => ({ FAKE_SAYS: String(portOf("store")) }),
    }),
  ]);
  const ready = lab.ready();
  const early = await rowWhen(lab, "server", ({ pid }) => pid !== null);
  loaded.resolve();
  await ready;
  expect(rowOf(lab, "server").pid).not.toBe(early.pid);
  expect(await (await ask(lab.url("server"))).text()).toBe(String(rowOf(lab, "store").port));
});
