import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeService } from "./testing/fake-descriptors.ts";
import { superviseInTest, temporaryDir } from "./testing/supervise.ts";

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
