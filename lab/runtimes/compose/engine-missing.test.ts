import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { commandOf, findComposeTool } from "./compose-tool.ts";
import { openEngine } from "./engine.ts";
import { engineAddress } from "./engine-address.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "engine-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
});

/** Puts a program on a PATH that has no other. */
async function program(name: string, script: string): Promise<void> {
  await writeFile(join(dir, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(dir, name), 0o755);
}

describe("Compose", () => {
  const find = () => findComposeTool({ PATH: dir });
  const unknownCommand = `echo "docker: unknown command: docker compose" >&2; exit 1`;

  test.each([
    ["no docker command", [], "no-docker-cli", /get-docker/],
    [
      "a docker command without Compose",
      [["docker", unknownCommand]],
      "no-compose-plugin",
      /docker-compose-plugin/,
    ],
    ["a Compose that is too old", [["docker", "echo 2.23.3"]], "compose-old", /2\.24 or newer/],
  ] as const)("%s is told with the way out", async (_, programs, code, hint) => {
    for (const [name, script] of programs) await program(name, script);
    await expect(find()).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) });
  });

  test("it is found as a plugin, or as a program of its own", async () => {
    await program("docker", unknownCommand);
    await program("docker-compose", "echo v2.26.1-4");
    expect(commandOf(await find())).toEqual({ file: "docker-compose", args: [] });
    await program("docker", "echo 5.5.0");
    expect(commandOf(await find())).toEqual({ file: "docker", args: ["compose"] });
  });
});

describe("the engine", () => {
  /** One that answers so, at a socket. */
  async function engine(answer: RequestListener): Promise<string> {
    const path = join(dir, "engine.sock");
    const server = createServer(answer).listen(path);
    await new Promise<void>((resolve) => server.once("listening", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return path;
  }
  const open = async (path: string, withinMs = 3_000) =>
    openEngine(
      await engineAddress({ DOCKER_HOST: `unix://${path}` }),
      AbortSignal.timeout(withinMs),
    );

  test("one that answers is used", async () => {
    const asked: (string | undefined)[] = [];
    const path = await engine((request, response) => {
      asked.push(request.url);
      response.end("OK");
    });
    expect((await open(path)).address).toEqual({ kind: "socket", path, url: `unix://${path}` });
    expect(asked).toEqual(["/_ping"]);
  });

  test("none at all, and one that says nothing, are told apart", async () => {
    const absent = { code: "engine-absent", hint: expect.stringMatching(/[Ss]tart/) };
    await expect(open(join(dir, "nobody.sock"))).rejects.toMatchObject(absent);
    const path = await engine(() => {});
    await expect(open(path, 50)).rejects.toMatchObject({ code: "engine-silent" });
  });

  // To root every socket is open.
  test.skipIf(process.getuid?.() === 0)("one that this user may not use is told", async () => {
    const path = await engine((_, response) => response.end("OK"));
    await chmod(path, 0o000);
    const refused = { code: "engine-permission", hint: expect.stringContaining("usermod") };
    await expect(open(path)).rejects.toMatchObject(refused);
  });

  test("it is the one of DOCKER_HOST, else of the chosen context", async () => {
    const id = createHash("sha256").update("desktop").digest("hex");
    const meta = join(dir, "contexts", "meta", id);
    await mkdir(meta, { recursive: true });
    const host = "unix:///run/desktop.sock";
    await writeFile(
      join(meta, "meta.json"),
      JSON.stringify({ Name: "desktop", Endpoints: { docker: { Host: host } } }),
    );
    await writeFile(join(dir, "config.json"), JSON.stringify({ currentContext: "desktop" }));
    expect(await engineAddress({ DOCKER_CONFIG: dir })).toMatchObject({ url: host });
    const tcp = "tcp://127.0.0.1:2376";
    expect(await engineAddress({ DOCKER_CONFIG: dir, DOCKER_HOST: tcp })).toEqual({
      ...{ kind: "tcp", host: "127.0.0.1", port: 2376, url: tcp },
    });
    for (const remote of ["ssh://me@build.example", "tcp://10.0.0.7:2375"])
      await expect(engineAddress({ DOCKER_HOST: remote })).rejects.toMatchObject({
        ...{ code: "engine-remote", message: expect.stringContaining(remote) },
      });
  });
});
