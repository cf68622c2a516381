import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";

/** Who listens on a TCP port of this machine. */
export type PortOwner =
  | { readonly pid: number; readonly command: string; readonly cwd: string | null }
  /** Somebody does, and the system does not tell us who. */
  | "another user's process";

/** Undefined when nothing listens there. */
export async function portOwner(port: number): Promise<PortOwner | undefined> {
  return process.platform === "linux" ? ownerFromProc(port) : ownerFromLsof(port);
}

/** In words, for messages. */
export function describeOwner(owner: PortOwner | string | undefined): string {
  if (owner === undefined) return "a program that has just gone";
  if (typeof owner === "string") return owner;
  const where = owner.cwd ? ` in ${owner.cwd}` : "";
  return `${owner.command} (pid ${owner.pid}${where})`;
}

async function ownerFromProc(port: number): Promise<PortOwner | undefined> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => readFile(file, "utf8").catch(() => "")),
  );
  const inodes = new Set(tables.flatMap((table) => listeningInodes(table, port)));
  if (inodes.size === 0) return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) if (await holdsSocket(pid, inodes)) return describeProcess(pid);
  return "another user's process";
}

/**
 * Socket inodes that listen on `port`, from the text of `/proc/net/tcp` or `tcp6`
 * (https://docs.kernel.org/networking/proc_net_tcp.html): address:port in hex is column 2, the state
 * column 4 (0A is LISTEN), the inode column 10.
 */
export function listeningInodes(table: string, port: number): readonly string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === "0A" && columns[1]?.split(":")[1] === wanted)
    .flatMap((columns) => columns[9] ?? []);
}

async function holdsSocket(pid: number, inodes: ReadonlySet<string>): Promise<boolean> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(
    fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
  );
  return links.some((link) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? ""));
}

async function describeProcess(pid: number): Promise<PortOwner> {
  const [cmdline, cwd] = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
    readlink(`/proc/${pid}/cwd`).catch(() => null),
  ]);
  return { pid, command: shorten(cmdline.split("\0").join(" ").trim()) || "a program", cwd };
}

/** Exported for its test: the way of systems without `/proc`. */
export async function ownerFromLsof(port: number): Promise<PortOwner | undefined> {
  const lsof = async (...args: string[]) => {
    const { stdout } = await promisify(execFile)("lsof", args).catch(() => ({ stdout: "" }));
    return stdout.split("\n");
  };
  // -F: one field per line, each with its letter in front.
  const fields = await lsof("-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fp");
  const pid = Number(fields.find((line) => line.startsWith("p"))?.slice(1));
  // Without root lsof shows other users' sockets not at all, so silence may mean either.
  if (!pid) return "another user's process";
  const [command, files] = await Promise.all([
    promisify(execFile)("ps", ["-o", "command=", "-p", String(pid)]).catch(() => ({ stdout: "" })),
    lsof("-a", "-p", String(pid), "-d", "cwd", "-Fn"),
  ]);
  const cwd = files.find((line) => line.startsWith("n"))?.slice(1) ?? null;
  return { pid, command: shorten(command.stdout.trim()) || "a program", cwd };
}

function shorten(command: string): string {
  return command.length > 120 ? `${command.slice(0, 120)}…` : command;
}
