import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { LabError } from "#lab/errors.ts";
import { containerRecipes } from "#lab/services/containers.ts";
import { serviceIds } from "#lab/services/ids.ts";
import { labServices } from "#lab/services/registry.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { portVariable } from "#lab/supervisor/port-table.ts";
import { startOrder } from "#lab/supervisor/start-order.ts";
import { composeFile, imagesNamed } from "./compose-file.ts";
import { commandOf, findComposeTool } from "./compose-tool.ts";
import { imageVariable } from "./failures.ts";
import { composeSchema } from "./testing/compose-schema.ts";

const text = readFileSync(composeFile, "utf8");
const ids = Object.keys(containerRecipes) as (keyof typeof containerRecipes)[];
/** The lines of every service, by id. */
const blocks = new Map(
  [
    ...(text.split(/^services:\n/m)[1]?.split(/^\S/m)[0] ?? "").matchAll(
      /^ {2}([\w-]+):\n((?:(?: {4}.*)?\n)*)/gm,
    ),
  ].map(([, id = "", block = ""]) => [id, block]),
);

/** Without what only anchors stand in. */
const document = (yaml: string): object =>
  Object.fromEntries(
    Object.entries(parse(yaml, { merge: true })).filter(([key]) => !key.startsWith("x-")),
  );

test("the file is one of the Compose Specification, and a mistake in it is found", () => {
  expect(v.safeParse(composeSchema, document(text)).issues).toBeUndefined();
  const mistakes: readonly (readonly [RegExp, string])[] = [
    [/mem_limit: 384m/, "memory_limit: 384m"],
    [
      /healthcheck: \{ <<: \*health, test: \[CMD, \/tempo/,
      "healthcheck: { <<: *health, test: [/tempo",
    ],
    [/interval: 3s/, "interval: 3"],
    [/KC_HEALTH_ENABLED: "true"/, "KC_HEALTH_ENABLED: true"],
    [/^ {2}loki: \{\}\n/m, ""],
    [/tempo: \{ condition: service_healthy/, "tempo1: { condition: service_healthy"],
    [/tempo: \{ condition: service_healthy/, "collector: { condition: service_healthy"],
  ];
  for (const [right, wrong] of mistakes) {
    expect(text, wrong).toMatch(right);
    const { issues } = v.safeParse(composeSchema, document(text.replace(right, wrong)));
    expect(issues, wrong).toBeDefined();
  }
});

test("every service has a descriptor, and every container a block and a folder", async () => {
  expect(labServices.map(({ id }) => id).toSorted()).toEqual([...serviceIds].toSorted());
  expect([...blocks.keys()].toSorted()).toEqual(ids.toSorted());
  for (const id of ids) {
    const folder = id === "grafana" ? "grafana" : join("compose", id);
    expect(await readdir(join(repositoryDir, folder)), id).not.toEqual([]);
  }
});

test("every mount and every file named in the blocks is there, or is rendered from a template that is", async () => {
  for (const [id, block] of blocks) {
    const sources = [...block.matchAll(/type: bind, source: "?([^",]+)"?,/g)].map(
      ([, at = ""]) => at,
    );
    for (const source of sources) {
      if (source !== `\${LAB_DIR:-../.lab}/${id}/config`) {
        await access(join(repositoryDir, "compose", source));
        continue;
      }
      const { templates = {} } = containerRecipes[id as keyof typeof containerRecipes];
      expect(Object.keys(templates), id).not.toEqual([]);
      for (const template of Object.values(templates))
        await access(join(repositoryDir, "compose", id, template));
      for (const [, name = ""] of block.matchAll(/\/etc\/lab\/([\w.-]+)/g))
        expect(Object.keys(templates), id).toContain(name);
    }
    for (const [, path = ""] of block.matchAll(/path: ([\w-]+\/[\w.-]+) \}/g))
      await access(join(repositoryDir, "compose", path));
  }
});

test("each block takes its image by a variable, publishes what the recipe says on loopback, and has a limit", () => {
  for (const [id, block] of blocks) {
    const recipe = containerRecipes[id as keyof typeof containerRecipes];
    expect(block).toContain(`image: \${${imageVariable(id)}:-`);
    expect(block).toMatch(/^ {4}mem_limit: \d+[mg]$/m);
    const published = [...block.matchAll(/"([^"]*):\$\{(\w+):-\d+\}:(\d+)"/g)].map(
      ([, host, name, port]) => `${host} ${name} ${port}`,
    );
    const wanted = recipe.ports.map(
      ({ name, container }, place) =>
        `127.0.0.1 ${portVariable(id, place === 0 ? undefined : name)} ${container}`,
    );
    expect(published.toSorted(), id).toEqual(wanted.toSorted());
  }
});

test("blocks and recipes agree on what waits for what, and it is no circle", () => {
  for (const [id, block] of blocks) {
    const [, inline = "", lines = ""] =
      /depends_on:(?: \{(.*)\}\n|\n((?: {6}.*\n)*))/.exec(block) ?? [];
    const named = [...`${inline}\n${lines}`.matchAll(/([\w-]+): \{ condition: service_healthy/g)];
    expect(named.map(([, name]) => name).toSorted(), id).toEqual(
      [...containerRecipes[id as keyof typeof containerRecipes].dependsOn].toSorted(),
    );
  }
  expect(() => startOrder(labServices)).not.toThrow();
});

test("no block is let near the engine, holds a secret or restarts by itself", async () => {
  expect(text).not.toMatch(/docker\.sock|privileged: true|network_mode|cap_add/);
  expect(text).toContain("no-new-privileges:true");
  expect(text).toContain('restart: "no"');
  expect(text).not.toMatch(/PASSWORD(?!_FILE)\w*: (?!\$)/);
  for (const block of blocks.values()) expect(block).toContain("<<: *service");
  for (const id of ids.filter((one) => one !== "grafana"))
    for (const name of await readdir(join(repositoryDir, "compose", id)))
      expect(await readFile(join(repositoryDir, "compose", id, name), "utf8"), name).not.toMatch(
        /(?:requirepass|_PASSWORD[=:])\s*[^\s$][\w-]{5,}/,
      );
});

test("the README names the images that are pulled", async () => {
  const readme = await readFile(join(repositoryDir, "README.md"), "utf8");
  for (const image of imagesNamed(text, {}).values())
    expect(readme).toContain(`\`${image.replace(/@.*$/, "")}\``);
});

const tool = await findComposeTool(process.env).catch((error: unknown) => {
  if (error instanceof LabError) return error.message;
  throw error;
});

describe.skipIf(typeof tool === "string")("as Docker Compose reads it", () => {
  const schema = v.object({
    services: v.record(v.string(), v.object({ image: v.string(), mem_limit: v.string() })),
  });
  test("it is valid, and an image is overridden by its variable", async () => {
    if (typeof tool === "string") throw new Error(tool);
    const { file, args: first } = commandOf(tool);
    const env = { ...process.env, MINIO_IMAGE: "lab-test/minio:1" };
    const args = [...first, "-f", composeFile, "config", "--format", "json"];
    const { stdout } = await promisify(execFile)(file, args, { env });
    const { services } = v.parse(schema, JSON.parse(stdout));
    expect(Object.keys(services).toSorted()).toEqual(ids.toSorted());
    expect(services.minio?.image).toBe("lab-test/minio:1");
  });
});
