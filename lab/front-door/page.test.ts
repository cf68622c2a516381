import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildPage, type PageProgress } from "./page.ts";

let root: string;
let dir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "lab-page-"));
  dir = join(root, "state");
  await mkdir(join(root, "web"));
  await writeFile(join(root, "web", "index.html"), '<script type="module" src="/app.js"></script>');
  await writeFile(join(root, "web", "app.js"), "document.title = 'one';");
  await writeFile(
    join(root, "vite.config.ts"),
    'export default { root: "web", build: { outDir: process.env.LAB_PAGE_DIR, emptyOutDir: true } };',
  );
});
afterEach(() => rm(root, { recursive: true, force: true }));

const build = (onProgress?: (progress: PageProgress) => void) =>
  buildPage({ dir, root, env: process.env, ...(onProgress ? { onProgress } : {}) });
const pages = async () => (await readdir(join(dir, "page"))).sort();

test("the same content is built once, other content anew", async () => {
  const progress: PageProgress[] = [];
  const first = await build((step) => progress.push(step));
  expect(first.cached).toBe(false);
  expect(await readdir(first.dir)).toContain("index.html");
  expect(progress.at(-1)).toEqual({ step: "page built", done: 1 });
  expect(await build()).toEqual({ ...first, cached: true });

  await writeFile(join(root, "web", "app.js"), "document.title = 'two';");
  const second = await build();
  expect(second.cached).toBe(false);
  expect(await pages()).toEqual([first.hash, second.hash].sort());
});

test("tests and journeys beside the page do not make it another page", async () => {
  const first = await build();
  await mkdir(join(root, "web", "e2e"));
  await writeFile(join(root, "web", "e2e", "a.e2e.ts"), "");
  await writeFile(join(root, "web", "app.test.ts"), "");
  expect(await build()).toEqual({ ...first, cached: true });
});

test("several at once all get the same whole page, and leave nothing else", async () => {
  const built = await Promise.all([build(), build(), build()]);
  expect(new Set(built.map((page) => page.dir)).size).toBe(1);
  expect(await readdir(built[0]?.dir ?? "")).toContain("index.html");
  expect(await pages()).toEqual([built[0]?.hash]);
});

test("a page that does not build says why, where to look, and leaves nothing", async () => {
  await writeFile(join(root, "web", "app.js"), "import './missing.js';");
  await expect(build()).rejects.toMatchObject({
    code: "page-build-failed",
    message: expect.stringContaining("missing.js"),
    hint: expect.stringContaining("start the lab again"),
  });
  expect(await pages()).toEqual([]);
});

test("a build that is called off ends with its process and leaves nothing", async () => {
  const stopping = new AbortController();
  const building = buildPage({ dir, root, env: process.env, signal: stopping.signal });
  stopping.abort();
  await expect(building).rejects.toMatchObject({ code: "page-build-failed" });
  expect(await pages()).toEqual([]);
});

test("a build ends at once when the lab that wanted it is gone", async () => {
  const stuck = "export default { plugins: [{ name: 'stuck', buildStart: () => { for (;;); } }] };";
  await writeFile(join(root, "vite.config.ts"), stuck);
  const child = fork(new URL("page-build.ts", import.meta.url), {
    cwd: root,
    env: { ...process.env, LAB_PAGE_DIR: join(dir, "out") },
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  await once(child, "spawn");
  child.disconnect();
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
});

test("old pages and what killed builds left are removed", async () => {
  const old = ["a", "b", "c", "d"].map((digit) => digit.repeat(16));
  const long = new Date(Date.now() - 3_600_000);
  for (const name of [...old, ".building-killed"]) {
    await mkdir(join(dir, "page", name), { recursive: true });
    await utimes(join(dir, "page", name), long, long);
  }
  const recent = old[1] ?? "";
  await utimes(join(dir, "page", recent), new Date(), new Date());
  const { hash } = await build();
  const left = await pages();
  expect(left).toHaveLength(3);
  expect(left).toEqual(expect.arrayContaining([hash, recent]));
});
