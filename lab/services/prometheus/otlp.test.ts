import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sendsOtlp } from "./otlp.ts";

/** A program that tells a version, and of its flags. */
async function program(help: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "prometheus-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, "prometheus");
  const answer = `[ "$1" = --version ] && exec echo "prometheus, version 3.1.0"`;
  await writeFile(file, `#!/bin/sh\n${answer}\n[ "$1" = --help ] && exec echo "${help}"\n`);
  await chmod(file, 0o755);
  return file;
}

const modern =
  "--[no-]web.enable-otlp-receiver  Enable API endpoint accepting OTLP write requests.";

test("the Collector sends metrics to a Prometheus that takes them", async () => {
  const env = { LAB_REAL: "collector" };
  const file = await program(modern);
  expect(await sendsOtlp({ ...env, LAB_PROMETHEUS_BIN: file })).toBe(true);
  expect(await sendsOtlp({ ...env, PATH: join(file, "..") })).toBe(true);
});

test("it is scraped by one that does not, and by one that may yet be fetched", async () => {
  const env = { LAB_REAL: "collector" };
  const old = await program("--[no-]web.enable-remote-write-receiver");
  expect(await sendsOtlp({ ...env, LAB_PROMETHEUS_BIN: old })).toBe(false);
  expect(await sendsOtlp({ ...env, PATH: "/nowhere" })).toBe(false);
});

test("without a Collector nobody sends", async () => {
  expect(await sendsOtlp({ LAB_PROMETHEUS_BIN: await program(modern) })).toBe(false);
});
