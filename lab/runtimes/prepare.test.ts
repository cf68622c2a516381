import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Env } from "#lab/state/lab-dir.ts";
import { mayHaveContainers, rememberRuntime } from "#lab/state/runtime-choice.ts";
import { within } from "#lab/supervisor/testing/supervise.ts";
import { chooseRuntime } from "./choice.ts";
import { composeFile, imagesNamed } from "./compose/compose-file.ts";
import { prepareRuntime } from "./prepare.ts";

const images = [...new Set(imagesNamed(readFileSync(composeFile, "utf8"), {}).values())];

/** Enough for a machine that is busy with other tests. */
const engineMs = 10_000;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lab-test-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Machine {
  readonly env: Env;
  /** Paths that the engine was asked for. */
  readonly asked: readonly string[];
}

/** A machine with Docker: its engine has these images, and its Compose this version. */
async function machine(has: readonly string[] | "silence", compose = "2.40.3"): Promise<Machine> {
  const asked: string[] = [];
  const engine = createServer(({ url = "" }, answer) => {
    asked.push(url);
    if (has === "silence") return;
    const [, image] = /^\/images\/(.+)\/json$/.exec(decodeURI(url)) ?? [];
    const found = image === undefined ? url === "/_ping" : has.includes(image);
    answer.writeHead(found ? 200 : 404).end(found ? "{}" : '{"message":"no such thing"}');
  });
  const socket = join(dir, "docker.sock");
  engine.listen(socket);
  await once(engine, "listening");
  cleanUp.push(async () => {
    engine.closeAllConnections();
    engine.close();
  });
  const [bin, plugins] = [join(dir, "bin"), join(dir, "docker", "cli-plugins")];
  for (const folder of [bin, plugins]) await mkdir(folder, { recursive: true });
  for (const file of [join(bin, "docker"), join(plugins, "docker-compose")]) {
    await writeFile(file, `#!/bin/sh\necho ${compose}\n`);
    await chmod(file, 0o755);
  }
  const env = { PATH: bin, DOCKER_CONFIG: join(dir, "docker"), DOCKER_HOST: `unix://${socket}` };
  return { env, asked };
}
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0)) await end();
});

test("the images of compose.yaml are known without Compose, with the variables that override them", () => {
  expect(images).toHaveLength(10);
  expect(images).toContain("postgres:18.6-alpine");
  const text = readFileSync(composeFile, "utf8");
  expect(imagesNamed(text, { GRAFANA_IMAGE: "mine:1" }).get("grafana")).toBe("mine:1");
});

test("containers are chosen where engine, Compose and all images are", async () => {
  const { env } = await machine(images);
  expect(await chooseRuntime(undefined, { dir, env, engineMs })).toMatchObject({
    runtime: "compose",
    automatic: true,
    line: expect.stringMatching(/all images are here.*--runtime embedded/),
  });
});

test("a missing image is not pulled unasked: the start says how to get the full stack", async () => {
  const { env } = await machine(images.slice(2));
  expect(await chooseRuntime(undefined, { dir, env, engineMs })).toMatchObject({
    runtime: "embedded",
    line: expect.stringMatching(/--runtime compose \(pulls 2 of 10 images\)/),
  });
});

test("without Compose, without an engine or with one that is elsewhere there are no containers", async () => {
  const { env, asked } = await machine(images);
  const bare = { ...env, PATH: dir };
  expect((await chooseRuntime(undefined, { dir, env: bare, engineMs })).line).toContain(
    "needs Docker Compose",
  );
  const before = asked.length;
  for (const host of [`unix://${dir}/none.sock`, "tcp://10.0.0.1:2375"]) {
    const { runtime, line } = await chooseRuntime(undefined, {
      ...{ dir, engineMs },
      env: { ...env, DOCKER_HOST: host },
    });
    expect([runtime, line]).toEqual(["embedded", expect.stringContaining("a running Docker")]);
  }
  expect(asked.length).toBe(before);
});

test("an engine that does not answer keeps no start waiting", async () => {
  const { env } = await machine("silence");
  // Whoever asks for containers waits three seconds for the engine.
  const { line } = await within(2_500, chooseRuntime(undefined, { dir, env }));
  expect(line).toContain("did not answer in time");
});

test("what was asked for counts more than what is there, and CI and named programs look for nothing", async () => {
  const { env, asked } = await machine(images);
  expect((await chooseRuntime("embedded", { dir, env })).runtime).toBe("embedded");
  for (const more of [{ CI: "true" }, { LAB_REAL: "tempo" }, { LAB_MINIO_BIN: "/opt/minio" }])
    expect((await chooseRuntime(undefined, { dir, env: { ...env, ...more } })).runtime).toBe(
      "embedded",
    );
  await rememberRuntime(dir, "embedded");
  expect((await chooseRuntime(undefined, { dir, env })).runtime).toBe("embedded");
  await rememberRuntime(dir, "compose");
  expect(await chooseRuntime(undefined, { dir, env })).toMatchObject({
    runtime: "compose",
    automatic: false,
  });
  expect(asked).toEqual([]);
});

test("containers that turn out not to work are told, and left out unless somebody asked for them", async () => {
  const { env } = await machine(images, "2.1.0");
  const options = { dir, env, engineMs, say: () => {} };
  const { line, open } = await prepareRuntime(undefined, options);
  expect(line).toMatch(/^Embedded runtime, as containers cannot be used: .*2\.1\.0 is too old/);
  expect(open.name).toBe("openEmbedded");
  await expect(prepareRuntime("compose", options)).rejects.toMatchObject({ code: "compose-old" });
  expect(await mayHaveContainers(dir)).toBe(true);
});
