import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** What a lab of this machine may call besides Node: the shell, what looks after its processes, nothing that fetches or installs. */
const tools = [
  ...["sh", "sed", "cut", "tr", "sleep", "true", "ps", "kill"],
  ...["setpriv", "unshare", "nsenter", "ip"],
];

/** Makes a folder for PATH with those of them that this machine has, and nothing else. */
export function bareTools(dir: string): string {
  mkdirSync(dir);
  for (const name of tools) {
    const path = whereIs(name);
    if (path !== undefined) symlinkSync(path, join(dir, name));
  }
  return dir;
}

/** A network that reaches this machine and nothing else: a namespace with a loopback interface. */
export interface Offline {
  /** Put before a command that begins in a network of its own. */
  readonly begin: readonly string[];
  /** Put before one that shall be in the network of this process. */
  readonly join: (pid: number) => readonly string[];
}

/** Why there can be none here, or how to get one. */
export function offlineNetwork(): Offline | { readonly impossible: string } {
  if (process.platform !== "linux") return { impossible: "network namespaces are Linux's" };
  const begin = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
  try {
    execFileSync(begin[0] ?? "", [...begin.slice(1), "true"], { stdio: "pipe" });
    return { begin, join: (pid) => ["nsenter", `--net=/proc/${pid}/ns/net`, "--"] };
  } catch (error) {
    return { impossible: `no network namespace can be made here: ${String(error).split("\n")[0]}` };
  }
}

/** How often anything in the network of this process wanted to go where no way leads, names looked up included. */
export function wantedOut(pid: number): number {
  // https://www.kernel.org/doc/html/latest/networking/snmp_counter.html
  const [names, values] = readFileSync(`/proc/${pid}/net/snmp`, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Ip:"))
    .map((line) => line.split(" "));
  const v4 = Number(values?.[names?.indexOf("OutNoRoutes") ?? -1]);
  const v6 = /^Ip6OutNoRoutes\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/net/snmp6`, "utf8"))?.[1];
  return v4 + Number(v6 ?? 0);
}

function whereIs(name: string): string | undefined {
  try {
    return execFileSync("/bin/sh", ["-c", `command -v ${name}`], {
      encoding: "utf8",
      env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    }).trim();
  } catch {
    return undefined;
  }
}
