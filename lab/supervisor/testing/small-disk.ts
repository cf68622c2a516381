import { execFileSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { temporaryDir } from "./supervise.ts";

/** A file system of its own with so little space; undefined where that is not allowed. */
export async function smallDisk(bytes: number): Promise<string | undefined> {
  const dir = await temporaryDir();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "lab-test", dir], {
      stdio: "pipe",
    });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync("umount", ["--lazy", dir]));
  return dir;
}

/** Changes it, e.g. `size=300m`, `ro`. */
export function remountDisk(dir: string, option: string): void {
  execFileSync("mount", ["-o", `remount,${option}`, dir]);
}
