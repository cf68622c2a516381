import { access, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Env } from "#lab/state/lab-dir.ts";

/** The distribution that this machine runs. */
export interface DebianRelease {
  /** Of people, e.g. `Debian`. */
  readonly name: string;
  /** Of the archive, e.g. `bookworm`. */
  readonly codename: string;
  /** The distribution's own keys; undefined where they are with all others that apt trusts. */
  readonly keyring: string | undefined;
}

/** Undefined where there is no Debian, Ubuntu or descendant of theirs. */
export async function debianRelease(file = "/etc/os-release"): Promise<DebianRelease | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const field = (name: string) =>
    new RegExp(`^${name}="?([^"\\n]*)`, "m").exec(text)?.[1] || undefined;
  const family = `${field("ID")} ${field("ID_LIKE")}`.match(/\b(?:debian|ubuntu)\b/g);
  // Ubuntu says that it is like Debian, and Mint that it is like Ubuntu.
  const id = family?.includes("ubuntu") ? "ubuntu" : family?.[0];
  const codename = field("UBUNTU_CODENAME") ?? field("VERSION_CODENAME");
  if (id === undefined || codename === undefined) return undefined;
  const keyring = `/usr/share/keyrings/${id}-archive-keyring.gpg`;
  const hasKeyring = await access(keyring).then(
    () => true,
    () => false,
  );
  return {
    name: id === "ubuntu" ? "Ubuntu" : "Debian",
    codename,
    keyring: hasKeyring ? keyring : undefined,
  };
}

/** The user's folder for what can be fetched again: the same for all clones. */
export function downloadsDir(env: Env): string {
  // The specification of XDG_CACHE_HOME says that a relative path counts for nothing.
  const cache = env.XDG_CACHE_HOME?.startsWith("/")
    ? env.XDG_CACHE_HOME
    : join(env.HOME || homedir(), ".cache");
  return join(cache, "observability-lab");
}
