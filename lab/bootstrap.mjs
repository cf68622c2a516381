#!/usr/bin/env node
/**
 * Entry of every npm script: `node lab/bootstrap.mjs <script> [args]`. Plain JavaScript, because the
 * Node that starts it may be any version. It installs the packages when they are missing or older
 * than the lock file, then goes on with the Node that the lock file brings.
 *
 * Signals reach the script once more than they were sent: a terminal signals the whole group, npm
 * forwards what it gets, and so does this file. The scripts take repeats within half a second for one.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync, unlinkSync } from "node:fs";
import * as modules from "node:module";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const lockedNode = join(bin, "node");
/** Code that was compiled before, of this clone and of its packages; every process of the lab starts with it. */
const compiled = join(root, "node_modules", ".cache", "compiled");
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
/** First Node line that strips types without a flag. */
const nativeTypeScript = [22, 18];
const refused = 3;

/** npm script → its entry, and arguments put before those of the user. */
const scripts = {
  lab: ["lab/main.ts"],
  dev: ["lab/main.ts", "dev"],
  verify: ["lab/main.ts", "verify"],
  test: ["lab/testing/main.ts", "test"],
  "test:real": ["lab/testing/real/main.ts"],
  e2e: ["lab/testing/main.ts", "e2e"],
  check: ["lab/testing/main.ts", "check"],
  fix: ["lab/testing/main.ts", "fix"],
  bench: ["lab/bench/main.ts"],
};
/** They talk to a running lab, so they must work with the packages that lab was started with. */
const verbsOnRunningLab = ["down", "status", "logs", "list", "run", "verify", "restart", "doctor"];

main(process.argv.slice(2)).catch((error) => {
  say(error.stack);
  process.exit(1);
});

async function main([script, ...args]) {
  if (!isAtLeast(process.versions.node, [20, 0])) {
    stop(
      1,
      `This is Node ${process.versions.node}; the lab needs Node 20 or newer to install itself.`,
      "Install a current Node from https://nodejs.org, then run the same command again.",
    );
  }
  if (!Object.hasOwn(scripts, script || "")) {
    stop(
      refused,
      `Unknown script "${script || ""}".`,
      `There are: ${Object.keys(scripts).join(", ")}.`,
    );
  }
  const [entry, ...first] = scripts[script];
  const argv = [...first, ...args];
  const stale = staleness();
  const installs = stale !== undefined && !runsOn(script, args, stale);
  if (installs) await install(stale);
  const node = chooseNode();
  process.env.PATH = [bin, process.env.PATH].join(delimiter);
  const proxied = spareLoopback();
  process.env.NODE_COMPILE_CACHE ||= compiled;
  if (node === process.execPath && !installs && !proxied) await runHere(entry, argv);
  else runIn(node, entry, argv);
}

/**
 * Everything of the lab talks over loopback, where no proxy leads. True when this process goes
 * through one all the same, because it read its setting at its start.
 */
function spareLoopback() {
  const { NO_PROXY = "", no_proxy: given = NO_PROXY } = process.env;
  const hosts = given.split(",").filter(Boolean);
  const missing = ["localhost", "127.0.0.1", "::1"].filter((host) => !hosts.includes(host));
  process.env.no_proxy = process.env.NO_PROXY = [...hosts, ...missing].join(",");
  const { NODE_USE_ENV_PROXY, NODE_OPTIONS = "" } = process.env;
  const uses = NODE_USE_ENV_PROXY === "1" || NODE_OPTIONS.includes("--use-env-proxy");
  return uses && missing.length > 0 && !hosts.includes("*");
}

/**
 * Why `node_modules` is not what the lock file says, or undefined when it is. The contents are
 * compared, since a checkout sets the time of the lock file without changing it.
 */
function staleness() {
  const wanted = readPackages(join(root, "package-lock.json"));
  if (wanted === undefined) return undefined;
  // npm writes this file last, so an interrupted install has none.
  const installed = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (installed === undefined) return "they are not installed yet";
  for (const [path, { version, integrity, os, cpu }] of Object.entries(installed)) {
    const entry = wanted[path];
    if (!entry || entry.version !== version || entry.integrity !== integrity) {
      return "the lock file has changed";
    }
    if (!allows(os, process.platform) || !allows(cpu, process.arch)) {
      return "they were installed for another kind of machine";
    }
  }
  // Optional packages for other platforms are never installed.
  const missing = Object.keys(wanted).some(
    (path) => path !== "" && !wanted[path].optional && !(path in installed),
  );
  return missing ? "the lock file has changed" : undefined;
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** `os` and `cpu` of a package are a name or a list, where `!name` excludes. */
function allows(names, name) {
  if (names === undefined) return true;
  const list = [].concat(names);
  if (list.includes(`!${name}`)) return false;
  return list.includes(name) || list.every((other) => other.startsWith("!"));
}

/** True when a lab of this clone runs and `script` can do with the packages as they are; stops when it cannot. */
function runsOn(script, args, reason) {
  const running = existsSync(bin) && runningLab();
  if (!running) return false;
  if (script === "lab" && args.some((word) => verbsOnRunningLab.includes(word))) {
    say(`The packages should be installed anew (${reason}); that waits until the lab has stopped.`);
    return true;
  }
  stop(
    refused,
    `The packages have to be installed (${reason}), but a lab of this clone runs on them: ${running.origin || "starting"}, pid ${running.pid}.`,
    "Stop it first: npm run lab -- down",
  );
}

/** The record of the lab that runs in this clone, checked by pid and start time. */
function runningLab() {
  try {
    const file = join(process.env.LAB_DIR || join(root, ".lab"), "lab.json");
    const record = JSON.parse(readFileSync(file, "utf8"));
    process.kill(record.pid, 0);
    const start = startTime(record.pid);
    return start === undefined || String(record.start) === start ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Field 22 of `/proc/<pid>/stat`; the command before it may hold spaces. Undefined where there is no /proc. */
function startTime(pid) {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  return readFileSync(file, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ")[19];
}

async function install(reason) {
  const packages = Object.entries(readPackages(join(root, "package-lock.json")));
  const total = packages.filter(
    ([path, { os, cpu }]) =>
      path !== "" && allows(os, process.platform) && allows(cpu, process.arch),
  ).length;
  say(`Installing ${total} packages (${reason}) …`);
  const startedAt = Date.now();
  const cli = process.env.npm_execpath;
  const viaNode = cli !== undefined && /npm-cli\.[cm]?js$/.test(cli);
  const command = viaNode ? process.env.npm_node_execpath || process.execPath : "npm";
  const npm = spawn(
    command,
    [...(viaNode ? [cli] : []), "ci", "--include=dev", "--include=optional", "--loglevel=http"],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  const told = [];
  const progress = progressLine(total, startedAt);
  for (const stream of [npm.stdout, npm.stderr]) {
    eachLine(stream, (line) => {
      if (/^npm http (fetch GET 200|cache) .*\.tgz/.test(line)) progress.step();
      else if (!line.startsWith("npm http")) told.push(line);
    });
  }
  const failure = await ended(npm);
  progress.end();
  if (failure !== undefined) {
    say(told.join("\n"));
    stop(
      1,
      `npm ci ${failure}.`,
      "Read npm's message above. Behind a proxy or an own registry, npm's settings have to name it: npm config list",
    );
  }
  say(`Installed in ${seconds(startedAt)}.`);
}

/** One line repainted in place on a terminal, a line every quarter elsewhere. */
function progressLine(total, startedAt) {
  const live = process.stderr.isTTY && !process.env.CI;
  let done = 0;
  let told = 0;
  const paint = () => {
    if (live)
      process.stderr.write(`\r  ${Math.min(done, total)} of ${total}, ${seconds(startedAt)} `);
  };
  const timer = setInterval(paint, 250);
  return {
    step() {
      done += 1;
      if (live || done < (told + 1) * (total / 4)) return;
      told += 1;
      say(`  ${done} of ${total}, ${seconds(startedAt)}`);
    },
    end() {
      clearInterval(timer);
      if (live) process.stderr.write("\r\x1b[K");
    },
  };
}

function eachLine(stream, onLine) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    lines.forEach(onLine);
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}

/** Resolves with what went wrong, or undefined. */
function ended(child) {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(`could not be started: ${error.message}`));
    child.on("close", (code, signal) =>
      resolve(code === 0 ? undefined : `ended with ${signal || `exit code ${code}`}`),
    );
  });
}

/** The lock file's Node where it runs, else the host's if it is new enough. */
function chooseNode() {
  const trial = spawnSync(lockedNode, ["--version"], { encoding: "utf8" });
  if (trial.status === 0) {
    return realpathSync(lockedNode) === realpathSync(process.execPath)
      ? process.execPath
      : lockedNode;
  }
  // npm puts this folder first on the PATH, so a Node that cannot run would end the next npm script.
  if (existsSync(lockedNode)) unlinkSync(lockedNode);
  const why = (trial.stderr || "").trim().split("\n")[0] || trial.error?.message;
  const host = hostNode();
  if (host !== undefined) {
    say(
      `The Node of the lock file does not run here (${why}); using ${host.path} ${host.version}.`,
    );
    return host.path;
  }
  return stop(
    1,
    `The Node of the lock file does not run here (${why}), and the installed Node ${process.versions.node} is older than ${nativeTypeScript.join(".")}.`,
    /libatomic/.test(why)
      ? "Install the library: apt-get install libatomic1 (Debian, Ubuntu) or dnf install libatomic (Fedora)"
      : `Install Node ${nativeTypeScript.join(".")} or newer from https://nodejs.org or your system's packages, then run the same command again.`,
  );
}

/** This Node, or the one npm runs on; undefined when neither runs TypeScript. */
function hostNode() {
  const own = { path: process.execPath, version: process.versions.node };
  if (isAtLeast(own.version, nativeTypeScript)) return own;
  const path = process.env.npm_node_execpath;
  if (!path) return undefined;
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  const version = (stdout || "").trim().replace(/^v/, "");
  return version && isAtLeast(version, nativeTypeScript) ? { path, version } : undefined;
}

function isAtLeast(version, [major, minor]) {
  const [thisMajor, thisMinor] = version.split(".").map(Number);
  return thisMajor > major || (thisMajor === major && thisMinor >= minor);
}

/** Same process: one fewer to start, and nobody left to outlive. */
async function runHere(entry, args) {
  const file = join(root, entry);
  modules.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}

/** The IPC channel tells the script when this process is gone, `kill -9` included. */
function runIn(node, entry, args) {
  const child = spawn(node, [join(root, entry), ...args], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  child.on("error", (error) => stop(1, `${node} could not be started: ${error.message}`, ""));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of signals) process.removeAllListeners(name);
    process.exitCode = 128 + constants.signals[signal];
    process.kill(process.pid, signal);
  });
}

function stop(code, message, hint) {
  say(message);
  if (hint) say(`  hint: ${hint}`);
  process.exit(code);
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
