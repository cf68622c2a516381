import { readdirSync, statSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { openOutput } from "./output.ts";
import { temporaryDir } from "./testing/supervise.ts";

const written = (stream: Readable) => new Promise((resolve) => stream.once("close", resolve));

test("lines are whole however the output is cut, and the last without an end counts", async () => {
  const output = openOutput(join(await temporaryDir(), "logs", "a.log"));
  const stream = Readable.from(["on", "e\ntw", "o\nthr", "ee"]);
  output.read(stream);
  await written(stream);
  expect(output.tail(10)).toEqual(["one", "two", "three"]);
  expect(output.tail(2)).toEqual(["two", "three"]);
  expect(output.tail(0)).toEqual([]);
  output.close();
  expect(await readFile(output.path, "utf8")).toBe("one\ntwo\nthree");
});

test("a line without end is cut instead of growing", async () => {
  const output = openOutput(join(await temporaryDir(), "a.log"));
  const stream = Readable.from(Array.from({ length: 100 }, () => "x".repeat(1_000)));
  output.read(stream);
  await written(stream);
  expect(output.tail(100).length).toBeGreaterThan(10);
  for (const line of output.tail(100)) expect(line.length).toBeLessThan(10_000);
  output.close();
});

test("the file is rotated at 10 MiB, and only one old one is kept", async () => {
  const dir = await temporaryDir();
  const output = openOutput(join(dir, "a.log"));
  const chunk = `${"x".repeat(1_023)}\n`.repeat(64);
  const stream = Readable.from(Array.from({ length: 400 }, () => chunk));
  output.read(stream);
  await written(stream);
  output.close();
  expect(readdirSync(dir).sort()).toEqual(["a.log", "a.log.1"]);
  for (const name of readdirSync(dir))
    expect(statSync(join(dir, name)).size).toBeLessThanOrEqual(10 * 1024 * 1024 + 64 * 1024);
});

test("a log file that cannot be written loses nothing but itself", async () => {
  const dir = await temporaryDir();
  await mkdir(join(dir, "a.log"));
  const output = openOutput(join(dir, "a.log"));
  const stream = Readable.from(["one\n", "two\n"]);
  output.read(stream);
  await written(stream);
  expect(output.tail(5)).toEqual(["one", "two"]);
  output.close();
  await rm(join(dir, "a.log"), { recursive: true });
  await writeFile(join(dir, "a.log"), "");
});
