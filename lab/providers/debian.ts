import { access, mkdir, readdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { NotApplicable, Program, Provider, Search } from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { type Apt, openApt } from "./apt.ts";
import { type DebianRelease, debianRelease, downloadsDir } from "./debian-release.ts";
import { describeProgram } from "./path.ts";

/** A program in a package of the host's own Debian or Ubuntu release. */
export interface DebianProgram {
  readonly package: string;
  /** In the package, e.g. `usr/bin/prometheus`. */
  readonly file: string;
  /** By which name it wants to be called, when it is another. */
  readonly calledAs?: string;
  /** Statically linked, as Go programs are: needs no other package. */
  readonly alone: boolean;
  /** For the download. */
  readonly limitSeconds: number;
  /**
   * How long a start waits for it where something else can stand in, in milliseconds; without it, until
   * it is there. The fetching goes on, for the next start.
   */
  readonly patienceMs?: number;
}

/** apt's lists are good for all packages of a start; a failure to get them too. */
const listsForMs = 60_000;
const opened = new Map<string, Lists>();

interface Lists {
  readonly at: number;
  readonly apt: Promise<Apt>;
  /** Whether they have come, or are known not to come. */
  settled: boolean;
}

/**
 * The program from the distribution's archive, unpacked into the user's cache folder without root:
 * once fetched it is used without network. `LAB_DOWNLOADS=off` forbids the fetching.
 */
export const fromDebian =
  (
    wanted: DebianProgram,
    machine: () => Promise<DebianRelease | undefined> = debianRelease,
  ): Provider =>
  async (env, search = {}) => {
    if (process.platform !== "linux") return { notApplicable: "this is not Debian or Ubuntu" };
    const release = await machine();
    if (release === undefined) return { notApplicable: "this is not Debian or Ubuntu" };
    const parent = join(downloadsDir(env), `${release.codename}-${process.arch}`);
    const folder = join(parent, wanted.package);
    if (await exists(folder)) return describe(folder, wanted, release);
    const missing = await whyNot(wanted, release, env, search);
    if (missing !== undefined) return missing;
    if (isLate(parent, wanted)) return late(wanted, release);
    try {
      const fetched = fetchOnce(folder, wanted, release, env, search);
      if (!(await inTime(fetched, wanted.patienceMs))) return late(wanted, release);
    } catch (error) {
      search.signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      return {
        notApplicable: `${wanted.package} cannot be fetched from ${release.name}: ${reason}`,
        hint: `try again once the archive of ${release.name} can be reached`,
      };
    }
    return describe(folder, wanted, release);
  };

async function whyNot(
  wanted: DebianProgram,
  release: DebianRelease,
  env: Env,
  search: Search,
): Promise<NotApplicable | undefined> {
  if (env.LAB_DOWNLOADS === "off")
    return {
      notApplicable: `LAB_DOWNLOADS=off forbids to fetch it from ${release.name}`,
      hint: "start once without LAB_DOWNLOADS=off",
    };
  if (!(await onPathOf(env, "apt-get")) || !(await onPathOf(env, "dpkg-deb")))
    return { notApplicable: "there is no apt-get" };
  if (search.fetches !== true)
    return {
      notApplicable: `${wanted.package} was not fetched from ${release.name} yet`,
      hint: "the next start of the lab tries to fetch it",
    };
  return undefined;
}

/** Another package has waited for the lists long enough already. */
function isLate(parent: string, { patienceMs }: DebianProgram): boolean {
  const lists = opened.get(aptFolder(parent));
  if (lists === undefined || lists.settled || patienceMs === undefined) return false;
  return Date.now() - lists.at >= patienceMs;
}

/** One text for all packages: they wait for the same archive. */
const late = ({ patienceMs = 0 }: DebianProgram, release: DebianRelease): NotApplicable => ({
  notApplicable: `it did not come from the archive of ${release.name} within ${patienceMs / 1000} s`,
  hint: "the fetching goes on, and a restart of this service takes it once it is there",
});

/** False when it takes longer, and then what becomes of it is nobody's concern. */
async function inTime(work: Promise<void>, limitMs: number | undefined): Promise<boolean> {
  if (limitMs === undefined) return work.then(() => true);
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
  });
  try {
    return await Promise.race([work.then(() => true), over]);
  } finally {
    clearTimeout(timer);
  }
}

const aptFolder = (parent: string): string => join(parent, "apt");

const underWay = new Map<string, Promise<void>>();

/** Two may need the same program: the second waits for the first one's fetch. */
function fetchOnce(folder: string, ...rest: Rest<Parameters<typeof fetchInto>>): Promise<void> {
  const known = underWay.get(folder);
  if (known) return known;
  const fetch = fetchInto(folder, ...rest).finally(() => underWay.delete(folder));
  underWay.set(folder, fetch);
  return fetch;
}
type Rest<T> = T extends [unknown, ...infer R] ? R : never;

async function fetchInto(
  folder: string,
  wanted: DebianProgram,
  release: DebianRelease,
  env: Env,
  { report, signal }: Search,
): Promise<void> {
  const parent = dirname(folder);
  const step = `fetching ${wanted.package} from ${release.name}`;
  report?.(step, 0);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const apt = await openOnce(aptFolder(parent), release, env);
  report?.(step, 0.3);
  const unpacked = await apt.unpack(wanted.package, {
    parent,
    alone: wanted.alone,
    limitSeconds: wanted.limitSeconds,
    signal,
  });
  report?.(step, 0.9);
  try {
    if (wanted.calledAs !== undefined) await symlink(wanted.file, join(unpacked, wanted.calledAs));
    await rename(unpacked, folder);
  } catch (error) {
    await rm(unpacked, { recursive: true, force: true });
    // Another lab was faster: its copy is as good.
    if (!(await exists(folder))) throw error;
  }
}

/** Services look for their programs at the same time; one of them gets the lists for all. */
function openOnce(dir: string, release: DebianRelease, env: Env): Promise<Apt> {
  const known = opened.get(dir);
  if (known && Date.now() - known.at < listsForMs) return known.apt;
  const lists: Lists = { at: Date.now(), apt: openApt(dir, release, env), settled: false };
  const settle = () => {
    lists.settled = true;
  };
  lists.apt.then(settle, settle);
  opened.set(dir, lists);
  return lists.apt;
}

async function describe(
  folder: string,
  wanted: DebianProgram,
  release: DebianRelease,
): Promise<Program | NotApplicable> {
  const env = wanted.alone ? {} : { LD_LIBRARY_PATH: (await libraryFolders(folder)).join(":") };
  const path = join(folder, wanted.calledAs ?? wanted.file);
  const found = await describeProgram(path, release.name, env);
  if ("path" in found) return { ...found, env };
  return { ...found, hint: `remove ${folder}; the next start fetches it anew` };
}

async function libraryFolders(folder: string): Promise<readonly string[]> {
  const found = await Promise.all(
    ["usr/lib", "lib"].map(async (parent) => {
      const names = await readdir(join(folder, parent)).catch(() => []);
      return names
        .filter((name) => name.includes("-linux-gnu"))
        .map((name) => join(folder, parent, name));
    }),
  );
  return found.flat();
}

async function onPathOf(env: Env, name: string): Promise<boolean> {
  const folders = (env.PATH ?? "").split(":").filter(Boolean);
  return (await Promise.all(folders.map((folder) => exists(join(folder, name))))).some(Boolean);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
