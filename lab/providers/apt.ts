import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeFileAtomic } from "#lab/state/atomic-file.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import type { DebianRelease } from "./debian-release.ts";

/** apt of this machine with lists, settings and a cache of its own, so that root is not needed and nothing of the system changes. */
export interface Apt {
  /**
   * Unpacks packages into a new folder below `parent`. apt refuses what the distribution's keys do
   * not vouch for.
   * @param alone without the libraries that the machine lacks.
   * @throws Error with apt's words.
   */
  readonly unpack: (
    name: string,
    options: {
      readonly parent: string;
      readonly alone: boolean;
      readonly limitSeconds: number;
      readonly signal?: AbortSignal | undefined;
    },
  ) => Promise<string>;
}

const updateSeconds = 40;
const safely = [
  "Acquire::AllowInsecureRepositories=false",
  "Acquire::AllowDowngradeToInsecureRepositories=false",
  "Acquire::AllowWeakRepositories=false",
  "APT::Get::AllowUnauthenticated=false",
];
const quickly = [
  "Acquire::Languages=none",
  "Acquire::Retries=0",
  // Else lists that cannot be reached are only a warning.
  "APT::Update::Error-Mode=any",
  "Acquire::http::Timeout=8",
  "Acquire::https::Timeout=8",
];

/**
 * Prepares apt's folders below `dir` and its lists of packages.
 * @throws Error with apt's words when it is not there or has no lists.
 */
export async function openApt(
  dir: string,
  release: DebianRelease,
  env: Env,
  signal?: AbortSignal,
): Promise<Apt> {
  const config = join(dir, "apt.conf");
  const aptEnv = { ...env, LC_ALL: "C", APT_CONFIG: config };
  const run = (args: readonly string[], options: { seconds: number; cwd?: string }) =>
    runInTime(args, { ...options, env: aptEnv, signal });
  const settings = [
    ...[`Dir::Etc::sourcelist=${join(dir, "sources.list")}`, "Dir::Etc::sourceparts=-"],
    ...[`Dir::State::lists=${join(dir, "lists")}`, `Dir::Cache=${join(dir, "cache")}`],
    // Root's apt would change to a user that may not write here; other labs' locks are ours.
    ...["APT::Sandbox::User=root", "Debug::NoLocking=1"],
    ...safely,
    ...quickly,
  ].flatMap((setting) => ["-o", setting]);
  const apt = ["apt-get", ...settings];

  await mkdir(join(dir, "lists", "partial"), { recursive: true, mode: 0o700 });
  await mkdir(join(dir, "cache", "archives", "partial"), { recursive: true, mode: 0o700 });
  const machine = { seconds: 10, env: { ...env, LC_ALL: "C" }, signal };
  const dump = await runInTime(["apt-config", "dump"], machine).catch(() => "");
  await writeFileAtomic(config, settingsOf(dump), 0o600);
  // Also where no lists were ever fetched, as in images of containers.
  const targets = await runInTime(
    [
      ...[
        "apt-get",
        "indextargets",
        "--no-release-info",
        "--format",
        "$(SITE) $(RELEASE) $(COMPONENT)",
      ],
      "Created-By: Packages",
    ],
    machine,
  );
  await writeFileAtomic(join(dir, "sources.list"), sourcesOf(targets, release));
  let trouble: unknown;
  // Two labs that start together take turns; the kernel frees the lock of one that was killed.
  const turn = ["flock", "--timeout", String(updateSeconds), join(dir, "lists.lock")];
  await run([...turn, ...apt, "-qq", "update"], { seconds: updateSeconds }).catch((error) => {
    // One suite of several that is missing, as backports on some mirrors, does not matter.
    trouble = error;
  });

  return {
    unpack: async (name, { parent, alone, limitSeconds, signal: until }) => {
      const folder = await mkdtemp(join(parent, `${name}.new-`));
      const limits = { seconds: limitSeconds, env: aptEnv, signal: until };
      try {
        const others = alone
          ? []
          : await missingWith(name, (args) => runInTime([...apt, ...args], limits));
        const debs = join(folder, ".debs");
        await mkdir(debs);
        await runInTime([...apt, "-qq", "download", ...new Set([name, ...others])], {
          ...limits,
          cwd: debs,
        });
        for (const deb of await readdir(debs))
          await runInTime(["dpkg-deb", "-x", join(debs, deb), folder], limits);
        await rm(debs, { recursive: true });
        return folder;
      } catch (error) {
        await rm(folder, { recursive: true, force: true });
        throw isUnknown(error) ? (trouble ?? error) : error;
      }
    },
  };
}

/** A package is in no list: the better story is what became of the lists. */
const isUnknown = (error: unknown): boolean =>
  /Unable to (?:locate|find)|no installation candidate|does not have a/.test(String(error));

/** Packages that an installation would add. */
async function missingWith(
  name: string,
  apt: (args: readonly string[]) => Promise<string>,
): Promise<readonly string[]> {
  const plan = await apt(["-s", "--no-install-recommends", "install", name]);
  return [...plan.matchAll(/^Inst (\S+)/gm)].map(([, added]) => added ?? "");
}

/**
 * How this machine reaches archives, proxies above all. The rest of its settings is left out: hooks
 * that run after an update have no business here.
 */
function settingsOf(dump: string): string {
  const kept = dump.split("\n").filter((line) => /^Acquire::/.test(line));
  return [...kept, 'Dir::Etc::Parts "/dev/null";', 'Dir::Etc::Main "/dev/null";', ""].join("\n");
}

/**
 * The machine's own mirror, with backports beside its suites.
 * @throws Error when the machine has no archive of its release.
 */
export function sourcesOf(targets: string, { codename, keyring }: DebianRelease): string {
  const rows = targets.split("\n").map((line) => line.split(" "));
  const sitesOf = (suite: string) => rows.filter(([, release]) => release === suite);
  // A third party's archive may use the codename too, but has no suite of updates.
  const [site] = sitesOf(`${codename}-updates`)[0] ?? sitesOf(codename)[0] ?? [];
  if (!site) throw new Error(`apt knows no archive of ${codename}`);
  const found = sitesOf(codename).flatMap(([at, , component]) => (at === site && component) || []);
  const components = [...new Set(found.length > 0 ? found : ["main"])].join(" ");
  const option = keyring ? `[signed-by=${keyring}] ` : "";
  return ["", "-updates", "-backports"]
    .map((suite) => `deb ${option}${site} ${codename}${suite} ${components}\n`)
    .join("");
}

async function runInTime(
  args: readonly string[],
  options: {
    readonly seconds: number;
    readonly env: Env;
    readonly cwd?: string;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<string> {
  const { seconds, env, cwd, signal } = options;
  try {
    const { stdout } = await promisify(execFile)(
      // Also the end of an apt whose lab was killed.
      "timeout",
      ["--kill-after=2", String(seconds), ...args],
      { env, maxBuffer: 64 * 1024 * 1024, ...(cwd ? { cwd } : {}), ...(signal ? { signal } : {}) },
    );
    return stdout;
  } catch (error) {
    signal?.throwIfAborted();
    throw new Error(reasonOf(error, seconds, args), { cause: error });
  }
}

function reasonOf(error: unknown, seconds: number, args: readonly string[]): string {
  const program = args.find((arg) => /^(?:apt-|dpkg-)/.test(arg)) ?? args[0];
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? error.code : undefined;
  if (code === 124 || code === 137) return `${program} was not done within ${seconds} s`;
  if (code === 127) return `there is no ${program}`;
  const lines = ("stderr" in error ? String(error.stderr) : "").split("\n").filter(Boolean);
  const told = lines.find((line) => line.startsWith("E: ")) ?? lines[0] ?? error.message;
  return `${program} says: ${told.replace(/^[EW]: /, "").slice(0, 300)}`;
}
