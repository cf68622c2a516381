import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Provider, Search } from "#lab/services/descriptor.ts";
import { sourcesOf } from "./apt.ts";
import { fromDebian } from "./debian.ts";
import { debianRelease } from "./debian-release.ts";
import {
  type ArchiveFiles,
  makeArchive,
  namesIn,
  openArchive,
  type TestArchive,
} from "./testing/archive.ts";

const wanted = {
  ...{ package: "lab-tool", file: "usr/bin/lab-check", calledAs: "lab-server" },
  ...{ alone: false, limitSeconds: 10 },
};
const hasApt = ["apt-get", "dpkg-deb", "gpg", "flock"].every((name) => {
  try {
    return execFileSync("sh", ["-c", `command -v ${name}`]).length > 0;
  } catch {
    return false;
  }
});

describe.skipIf(!hasApt)("on a machine with apt and gpg", () => {
  let dir: string;
  let archive: TestArchive;
  let provider: Provider;
  const look = (env = {}, search: Search = { fetches: true }) =>
    provider({ ...archive.env, ...env }, search);

  let files: ArchiveFiles;
  let filesDir: string;
  beforeAll(async () => {
    // gpg's agent has a socket here, and a socket's path is short.
    filesDir = await mkdtemp(join(tmpdir(), "lab-"));
    files = await makeArchive(filesDir);
  });
  afterAll(() => rm(filesDir, { recursive: true, force: true }));
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "lab-"));
    archive = await openArchive(files, dir);
    provider = fromDebian(wanted, async () => archive.release);
  });
  afterEach(async () => {
    await archive.close();
    await rm(dir, { recursive: true, force: true });
  });

  test("a program is fetched through the proxy, called as it wants, and tells its version", async () => {
    const steps: string[] = [];
    const report = (step: string) => void steps.push(step);
    expect(await look({}, { fetches: true, report })).toMatchObject({
      kind: "real",
      version: "1.2.3 (Debian)",
      path: expect.stringMatching(
        /home\/\.cache\/observability-lab\/lab-\w+\/lab-tool\/lab-server$/,
      ),
    });
    expect(steps).toContain("fetching lab-tool from Debian");
    expect(archive.asked).toContain("http://archive.invalid/debian/pool/lab-tool.deb");
    expect((await namesIn(join(dir, "home"))).filter((name) => /\.new|\.deb$/.test(name))).toEqual(
      [],
    );
  });

  test("once fetched it is there without network and with LAB_DOWNLOADS=off, for every lab", async () => {
    await look();
    const asked = archive.asked.length;
    await archive.close();
    const again = fromDebian(wanted, async () => archive.release);
    expect(await again({ ...archive.env, LAB_DOWNLOADS: "off" })).toMatchObject({ kind: "real" });
    expect(archive.asked.length).toBe(asked);
  });

  test("labs that fetch at the same time do not get into each other's way", async () => {
    const found = await Promise.all([look(), look(), look()]);
    expect(found.map((each) => "path" in each)).toEqual([true, true, true]);
  });

  test("a changed package is refused", async () => {
    archive.tamper(/\.deb$/, (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from("!")]));
    expect(await look()).toMatchObject({ notApplicable: expect.stringMatching(/hash|mismatch/i) });
    expect((await namesIn(join(dir, "home"))).filter((name) => name.includes("lab-check"))).toEqual(
      [],
    );
  });

  test("lists that the distribution's key did not sign are refused", async () => {
    archive.tamper(/InRelease$/, (bytes) =>
      Buffer.from(bytes.toString().replace("Suite: lab", "Suite: bad")),
    );
    expect(await look()).toMatchObject({
      notApplicable: expect.stringMatching(/sign|BADSIG|Release/i),
      hint: expect.stringContaining("try again"),
    });
    expect(archive.asked.filter((url) => url.endsWith(".deb"))).toEqual([]);
  });

  test("offline it says what apt says", async () => {
    await archive.close();
    expect(await look()).toMatchObject({
      notApplicable: expect.stringMatching(/cannot be fetched from Debian: apt-get says: .*fetch/i),
    });
  });

  test("a silent network is waited for once, and what it sends later is there for the next start", async () => {
    const speak = archive.silence();
    const patient = (name: string, patienceMs: number) =>
      fromDebian({ ...wanted, package: name, patienceMs }, async () => archive.release)(
        archive.env,
        { fetches: true },
      );
    const late = {
      notApplicable: "it did not come from the archive of Debian within 0.2 s",
      hint: expect.stringContaining("the fetching goes on"),
    };
    expect(await patient("lab-tool", 200)).toEqual(late);
    expect(await patient("lab-other", 200)).toEqual(late);
    const folder = join(dir, "home/.cache/observability-lab", `lab-${process.arch}`);
    expect(existsSync(join(folder, "lab-tool"))).toBe(false);
    speak();
    await expect.poll(() => existsSync(join(folder, "lab-tool")), { interval: 50 }).toBe(true);
    expect(await patient("lab-tool", 200)).toMatchObject({ kind: "real" });
  });

  test("LAB_DOWNLOADS=off asks nobody", async () => {
    expect(await look({ LAB_DOWNLOADS: "off" })).toMatchObject({
      notApplicable: expect.stringContaining("LAB_DOWNLOADS=off"),
    });
    expect(archive.asked).toEqual([]);
  });

  test("who only looks fetches nothing", async () => {
    expect(await look({}, {})).toMatchObject({
      notApplicable: "lab-tool was not fetched from Debian yet",
    });
    expect(archive.asked).toEqual([]);
  });

  test("an apt that hangs is given up", async () => {
    const bin = join(dir, "bin");
    execFileSync("mkdir", [bin]);
    const script = `#!/bin/sh\ncase "$*" in *download*) exec sleep 60;; esac\nexec ${realPath("apt-get")} "$@"\n`;
    await writeFile(join(bin, "apt-get"), script, { mode: 0o755 });
    provider = fromDebian({ ...wanted, limitSeconds: 1 }, async () => archive.release);
    expect(await look({ PATH: `${bin}:${process.env.PATH}` })).toMatchObject({
      notApplicable: expect.stringContaining("apt-get was not done within 1 s"),
    });
  });

  test.skipIf(process.getuid?.() !== 0)("an unprivileged user can do it all", async () => {
    execFileSync("mkdir", ["-p", join(dir, "home")]);
    for (const folder of [dir, filesDir]) await chmod(folder, 0o755);
    execFileSync("chown", ["-R", "65534:65534", join(dir, "home")]);
    const script = `
      const { fromDebian } = await import(${JSON.stringify(new URL("./debian.ts", import.meta.url).href)});
      const release = async () => (${JSON.stringify(archive.release)});
      const found = await fromDebian(${JSON.stringify(wanted)}, release)(process.env, { fetches: true });
      console.log(JSON.stringify(found));`;
    const told = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", script],
      {
        ...{ env: archive.env as NodeJS.ProcessEnv, uid: 65_534, gid: 65_534, cwd: "/" },
        encoding: "utf8",
      },
    );
    expect(JSON.parse(told.stdout)).toMatchObject({ kind: "real", version: "1.2.3 (Debian)" });
  });
});

const realPath = (name: string): string =>
  execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();

test("without apt, or on no Debian, it says so", async () => {
  const release = { name: "Debian", codename: "lab", keyring: undefined };
  const dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  try {
    const env = { PATH: dir, HOME: dir };
    expect(await fromDebian(wanted, async () => release)(env, { fetches: true })).toEqual({
      notApplicable:
        process.platform === "linux" ? "there is no apt-get" : "this is not Debian or Ubuntu",
    });
    expect(await fromDebian(wanted, async () => undefined)(env, { fetches: true })).toEqual({
      notApplicable: "this is not Debian or Ubuntu",
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("the release is the distribution's own, or that which it is made of", async () => {
  const dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  const releaseOf = async (text: string) => {
    await writeFile(join(dir, "os-release"), text);
    return debianRelease(join(dir, "os-release"));
  };
  try {
    expect(await releaseOf("ID=debian\nVERSION_CODENAME=bookworm\n")).toMatchObject({
      ...{ name: "Debian", codename: "bookworm" },
    });
    expect(await releaseOf("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n")).toMatchObject({
      ...{ name: "Ubuntu", codename: "noble" },
    });
    const mint =
      'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n';
    expect(await releaseOf(mint)).toMatchObject({ name: "Ubuntu", codename: "noble" });
    expect(await releaseOf("ID=fedora\n")).toBeUndefined();
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("the mirror is the machine's own, and not that of a third party with the same codename", () => {
  const release = { name: "Debian", codename: "bookworm", keyring: "/k.gpg" };
  const targets = [
    "https://packages.example/tools bookworm main",
    "http://mirror.example/debian bookworm main",
    "http://mirror.example/debian bookworm contrib",
    "http://mirror.example/debian bookworm-updates main",
    "http://mirror.example/debian-security bookworm-security main",
  ].join("\n");
  expect(sourcesOf(targets, release)).toBe(
    ["", "-updates", "-backports"]
      .map(
        (suite) =>
          `deb [signed-by=/k.gpg] http://mirror.example/debian bookworm${suite} main contrib\n`,
      )
      .join(""),
  );
  expect(() => sourcesOf("", release)).toThrow("no archive of bookworm");
});
