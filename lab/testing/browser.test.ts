import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { findBrowser, provideBrowser } from "./browser.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lab-browser-"));
  // Where Playwright would look for its own download.
  vi.stubEnv("PLAYWRIGHT_BROWSERS_PATH", join(folder, "none"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A program on a PATH of its own; returns that PATH. */
function program(name: string, script: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(path, name), 0o755);
  return path;
}

test("LAB_CHROMIUM wins", async () => {
  const PATH = program("chromium", "exit 0");
  expect(await findBrowser({ PATH, LAB_CHROMIUM: "/my/own" })).toBe("/my/own");
});

test("a program that only pretends to be a browser is passed over", async () => {
  const pretender = program("chromium-browser", "echo install the snap; exit 1");
  const real = program("google-chrome", "echo Google Chrome 142");
  expect(await findBrowser({ PATH: `${pretender}:${real}` })).toBe(join(real, "google-chrome"));
});

test("ways to get one are tried in turn, each announced, until one brings a browser", async () => {
  const PATH = program("chromium", "exit 1");
  const mended = `printf '#!/bin/sh\\nexit 0\\n' > ${join(PATH, "chromium")}`;
  const said: string[] = [];
  const found = await provideBrowser({ PATH }, (line) => said.push(line), [
    { title: "first", command: ["/bin/false"] },
    { title: "second", command: ["/bin/sh", "-c", mended] },
    { title: "third", command: ["/bin/false"] },
  ]);
  expect(found).toBe(join(PATH, "chromium"));
  expect(said).toEqual(["first", "second"]);
});

test("without any, the command to type is told", async () => {
  const missing = provideBrowser({ PATH: join(folder, "empty") }, () => {}, []);
  await expect(missing).rejects.toMatchObject({
    code: "browser-missing",
    hint: expect.stringMatching(/apt-get install|package manager|playwright install/),
  });
});
