import { spawn, spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { ownerFromLsof, portOwner } from "./port-owner.ts";
import { demandPort, isFree, parsePort, pickPort, portBusy, returnPort } from "./ports.ts";

async function listen(host: string): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

test("a picked port is free, in the range, and never given twice", async () => {
  const ports = await Promise.all(Array.from({ length: 30 }, () => pickPort()));
  expect(new Set(ports).size).toBe(30);
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_000);
    returnPort(port);
  }
});

test("a preferred port is taken when it is free, until it is given back", async () => {
  const preferred = await pickPort();
  returnPort(preferred);
  expect(await pickPort({ preferred })).toBe(preferred);
  expect(await pickPort({ preferred })).not.toBe(preferred);
  returnPort(preferred);
  expect(await pickPort({ preferred })).toBe(preferred);
});

test.each(["127.0.0.1", "0.0.0.0"])("a port with a listener on %s is not free", async (host) => {
  const port = await listen(host);
  expect(await isFree(port)).toBe(false);
  expect(await pickPort({ preferred: port })).not.toBe(port);
});

test("the owner of a port is named: pid, command, folder", async () => {
  const code =
    "require('net').createServer().listen(0,'127.0.0.1',function(){console.log(this.address().port)})";
  const other = spawn(process.execPath, ["-e", code], { cwd: tmpdir() });
  onTestFinished(() => void other.kill("SIGKILL"));
  const port = await new Promise<number>((resolve) =>
    other.stdout.once("data", (text) => resolve(Number(text))),
  );
  expect(await portOwner(port)).toEqual({
    pid: other.pid,
    command: expect.stringMatching(/node -e require/),
    cwd: realpathSync(tmpdir()),
  });
  if (spawnSync("lsof", ["-v"]).status === 0)
    expect(await ownerFromLsof(port)).toEqual(await portOwner(port));
  const error = await demandPort(port, { title: "the store", variable: "LAB_STORE_PORT" }).catch(
    (thrown) => thrown,
  );
  expect(error.code).toBe("port-busy");
  expect(error.message).toContain(`Port ${port} for the store is taken by`);
  expect(error.message).toContain(`(pid ${other.pid} in ${realpathSync(tmpdir())})`);
  expect(error.hint).toBe(
    `Choose another port, LAB_STORE_PORT=<port>, or end that program (kill ${other.pid}).`,
  );
});

test.runIf(process.platform === "linux" && process.getuid?.() === 0)(
  "an owner that the system hides from us is another user's process",
  async (context) => {
    const port = await listen("127.0.0.1");
    const module = new URL("./port-owner.ts", import.meta.url);
    const code = `import("${module}").then(async (m) => console.log(await m.portOwner(${port})))`;
    const asked = spawnSync(process.execPath, ["-e", code], {
      ...{ uid: 65_534, gid: 65_534, encoding: "utf8", cwd: "/" },
    });
    context.skip(asked.status !== 0, "this clone is closed to other users");
    expect(asked.stdout.trim()).toBe("another user's process");
  },
);

test("a port nobody listens on has no owner", async () => {
  const port = await pickPort();
  expect(await portOwner(port)).toBeUndefined();
  returnPort(port);
});

test("a port that another service of the lab has is said to be so", async () => {
  const port = await pickPort();
  const error = await portBusy(port, { title: "the store", variable: "LAB_STORE_PORT" });
  expect(error.message).toContain("another service of this lab");
  returnPort(port);
});

test.each(["", "0", "65536", "-1", "80.5", "http", "1e3"])("%j is no port", (text) => {
  expect(() => parsePort(text, "LAB_PORT")).toThrow("which is no port");
});
