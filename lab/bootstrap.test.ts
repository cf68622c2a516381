import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { identify } from "./supervisor/process-identity.ts";

const bootstrap = fileURLToPath(new URL("./bootstrap.mjs", import.meta.url));

/** Says what it got; stays until asked to stop when told to. */
const entry = `
const [, file, ...args] = process.argv;
if (args.includes("stay")) {
  const timer = setInterval(() => {}, 1000);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => { console.log(signal); clearInterval(timer); process.exit(7); });
  process.on("disconnect", () => process.exit(0));
  process.channel?.unref();
}
console.log(JSON.stringify({ file: file.split("/").slice(-2).join("/"), args, node: process.execPath, pid: process.pid }));
`;
/** In place of npm: writes down how it was called, then does what `npm ci` does, as far as it is looked at. */
const npmCli = `
import { mkdirSync, readFileSync, writeFileSync, copyFileSync, symlinkSync, rmSync } from "node:fs";
writeFileSync("npm-was-called", process.argv.slice(2).join(" "));
if (process.env.NPM_FAILS) { console.error("npm error code ECONNREFUSED"); process.exit(1); }
console.error("npm http fetch GET 200 http://registry.invalid/left/-/left-1.0.0.tgz 3ms");
rmSync("node_modules", { recursive: true, force: true });
mkdirSync("node_modules/.bin", { recursive: true });
symlinkSync(process.env.NODE_TO_INSTALL ?? process.execPath, "node_modules/.bin/node");
const { packages: { "": _, ...packages } } = JSON.parse(readFileSync("package-lock.json", "utf8"));
for (const [path, entry] of Object.entries(packages)) if (entry.optional) delete packages[path];
writeFileSync("node_modules/.package-lock.json", JSON.stringify({ packages }));
`;

let clone: string;
let children: ChildProcess[];

beforeEach(() => {
  clone = realpathSync(mkdtempSync(join(tmpdir(), "lab-bootstrap-")));
  children = [];
  mkdirSync(join(clone, "lab/testing"), { recursive: true });
  copyFileSync(bootstrap, join(clone, "lab/bootstrap.mjs"));
  for (const file of ["lab/main.ts", "lab/testing/main.ts"]) write(file, entry);
  write("npm-cli.mjs", npmCli);
  writeLock({ left: "1.0.0" });
});

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(clone, { recursive: true, force: true });
});

const write = (file: string, text: string): void => writeFileSync(join(clone, file), text);

/** One package for every machine, one optional for another. */
function lockOf(versions: Readonly<Record<string, string>>) {
  const entries = Object.entries(versions).map(([name, version]) => [
    `node_modules/${name}`,
    { version, resolved: `http://registry.invalid/${name}.tgz`, integrity: `sha512-${version}` },
  ]);
  const foreign = {
    version: "1.0.0",
    resolved: "x",
    integrity: "y",
    optional: true,
    os: ["plan9"],
  };
  return { packages: { "": {}, ...Object.fromEntries(entries), "node_modules/foreign": foreign } };
}

const writeLock = (versions: Readonly<Record<string, string>>): void =>
  write("package-lock.json", JSON.stringify(lockOf(versions)));

/** As after `npm ci`, with `node` as the lock file's Node. */
function installed(versions: Readonly<Record<string, string>>, node = process.execPath): void {
  const { foreign: _, ...packages } = lockOf(versions).packages as Record<string, unknown>;
  delete packages[""];
  delete packages["node_modules/foreign"];
  mkdirSync(join(clone, "node_modules/.bin"), { recursive: true });
  symlinkSync(node, join(clone, "node_modules/.bin/node"));
  write("node_modules/.package-lock.json", JSON.stringify({ packages }));
}

/** A Node that prints something else than a version and fails, as one does whose libraries are missing. */
function brokenNode(complaint: string): string {
  const path = join(clone, "broken-node");
  writeFileSync(path, `#!/bin/sh\necho "${complaint}" >&2\nexit 127\n`);
  chmodSync(path, 0o755);
  return path;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const { LAB_DIR: _, ...outer } = process.env;
  const child = spawn(process.execPath, [join(clone, "lab/bootstrap.mjs"), ...args], {
    env: {
      ...outer,
      CI: "1",
      npm_execpath: join(clone, "npm-cli.mjs"),
      npm_node_execpath: process.execPath,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = start(args, env);
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk) => (out += chunk));
  child.stderr?.on("data", (chunk) => (err += chunk));
  const [code] = await once(child, "close");
  return { code, err, told: out === "" ? undefined : JSON.parse(out) };
}

/** Makes the Node under test claim to be another version. */
function pretending(version: string): Readonly<Record<string, string>> {
  const preload = join(clone, "pretend.mjs");
  const versions = `{ ...process.versions, node: "${version}" }`;
  writeFileSync(preload, `Object.defineProperty(process, "versions", { value: ${versions} });`);
  return { NODE_OPTIONS: `--import=${preload}` };
}

/** An older Node as a program of its own: `--version` is all that is asked of it. */
function oldNode(): string {
  const path = join(clone, "old-node");
  writeFileSync(path, "#!/bin/sh\necho v20.20.2\n");
  chmodSync(path, 0o755);
  return path;
}

test("a fresh clone is installed first, then the script runs with its arguments", async () => {
  const { code, err, told } = await run(["lab", "status", "--json"]);
  expect(code).toBe(0);
  expect(err).toMatch(/Installing 1 packages \(they are not installed yet\)/);
  expect(err).toMatch(/1 of 1/);
  expect(told).toMatchObject({ file: "lab/main.ts", args: ["status", "--json"] });
});

test("what is installed as the lock file says is left alone, whatever the times of the files", async () => {
  installed({ left: "1.0.0" });
  const future = new Date(Date.now() + 3_600_000);
  utimesSync(join(clone, "package-lock.json"), future, future);
  const { err, told } = await run(["check"]);
  expect(err).toBe("");
  expect(told).toMatchObject({ file: "testing/main.ts", args: ["check"] });
  expect(existsSync(join(clone, "npm-was-called"))).toBe(false);
});

test.each([
  ["another version", { left: "2.0.0" }],
  ["one package more", { left: "1.0.0", right: "1.0.0" }],
  ["one package fewer", {}],
])("a lock file with %s is installed anew", async (_what, versions) => {
  installed({ left: "1.0.0" });
  writeLock(versions);
  const { err, told } = await run(["lab"]);
  expect(err).toContain("the lock file has changed");
  expect(told).toMatchObject({ args: [] });
});

test("packages of another kind of machine are installed anew", async () => {
  installed({ left: "1.0.0" });
  const entry = { version: "1.0.0", integrity: "y", optional: true, os: ["plan9"] };
  write(
    "node_modules/.package-lock.json",
    JSON.stringify({ packages: { "node_modules/foreign": entry } }),
  );
  expect((await run(["lab"])).err).toContain("another kind of machine");
});

test("a failed install shows npm's words and runs nothing", async () => {
  const { code, err, told } = await run(["lab"], { NPM_FAILS: "1" });
  expect(code).toBe(1);
  expect(err).toContain("ECONNREFUSED");
  expect(err).toContain("hint:");
  expect(told).toBeUndefined();
});

test("a running lab keeps its packages: a start is refused, talking to it is not", async () => {
  installed({ left: "1.0.0" });
  writeLock({ left: "2.0.0" });
  mkdirSync(join(clone, ".lab"));
  const { pid, start: since } = identify(process.pid) ?? {};
  const record = { pid, start: since, origin: "http://localhost:4700" };
  write(".lab/lab.json", JSON.stringify(record));

  const refused = await run(["test"]);
  expect(refused.code).toBe(3);
  expect(refused.err).toContain(`http://localhost:4700, pid ${pid}`);
  expect(refused.err).toContain("npm run lab -- down");
  expect((await run(["lab", "down"])).told).toMatchObject({ args: ["down"] });
  expect(existsSync(join(clone, "npm-was-called"))).toBe(false);

  write(".lab/lab.json", JSON.stringify({ ...record, start: "1" }));
  expect((await run(["lab"])).err).toContain("Installing");
});

test("where the lock file's Node does not run, the host's takes over and npm's PATH is mended", async () => {
  installed({ left: "1.0.0" }, brokenNode("libatomic.so.1: cannot open shared object file"));
  const { code, err, told } = await run(["lab"]);
  expect(code).toBe(0);
  expect(err).toContain("libatomic.so.1");
  expect(realpathSync(told.node)).toBe(realpathSync(process.execPath));
  expect(existsSync(join(clone, "node_modules/.bin/node"))).toBe(false);
});

test("where neither runs, it says what to install", async () => {
  installed({ left: "1.0.0" }, brokenNode("libatomic.so.1: cannot open shared object file"));
  const { code, err } = await run(["lab"], {
    ...pretending("20.20.2"),
    npm_node_execpath: oldNode(),
  });
  expect(code).toBe(1);
  expect(err).toContain("libatomic1");
});

test("a Node too old to install says so", async () => {
  const { code, err } = await run(["lab"], pretending("18.19.0"));
  expect(code).toBe(1);
  expect(err).toContain("18.19.0");
  expect(err).toContain("hint: ");
});

test("an unknown script lists the ones there are", async () => {
  const { code, err } = await run(["sing"]);
  expect(code).toBe(3);
  expect(err).toContain("lab, dev, verify, test");
});

/** A second program with the same Node, so that the bootstrap starts a process of its own. */
function otherNode(): string {
  const path = join(clone, "other-node");
  writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

async function startStaying(): Promise<{ child: ChildProcess; script: number; lines: string[] }> {
  installed({ left: "1.0.0" }, otherNode());
  const child = start(["lab", "stay"]);
  const lines: string[] = [];
  child.stdout?.on("data", (chunk) => lines.push(...String(chunk).trim().split("\n")));
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return { child, script: JSON.parse(lines[0] as string).pid, lines };
}

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s reaches the script, whose exit code comes back",
  async (signal) => {
    const { child, lines } = await startStaying();
    child.kill(signal);
    const [code] = await once(child, "close");
    expect(lines.slice(1)).toEqual([signal]);
    expect(code).toBe(7);
  },
);

test("kill -9 of the bootstrap ends the script", async () => {
  const { child, script } = await startStaying();
  expect(script).not.toBe(child.pid);
  child.kill("SIGKILL");
  await once(child, "close");
  await expect.poll(() => identify(script)).toBeUndefined();
});

test("on the right Node already, the script runs in the same process, and leaves its code compiled", async () => {
  installed({ left: "1.0.0" });
  const child = start(["lab"], { NODE_COMPILE_CACHE: "" });
  const [chunk] = await once(child.stdout as NodeJS.ReadableStream, "data");
  expect(JSON.parse(String(chunk)).pid).toBe(child.pid);
  await once(child, "exit");
  const names = readdirSync(join(clone, "node_modules/.cache/compiled"), { recursive: true });
  expect(names.length).toBeGreaterThan(1);
});
