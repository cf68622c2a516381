import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { LabError } from "#lab/errors.ts";

/** What a person can do about a failed write to `path`; errors that are not about storage come back as they are. */
export function storageError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new LabError("disk-full", `No space left to write ${path} (${freeBytes(path)}).`, {
        hint: "Free some space, or put the lab's state on another disk: LAB_DIR=/some/folder npm run lab",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOTDIR":
      return new LabError("state-unwritable", `Cannot write ${path} (${code}).`, {
        hint: "Make the folder writable for you, or choose another: LAB_DIR=/some/folder npm run lab",
        cause: error,
      });
    default:
      return error;
  }
}

/** Free space of the nearest existing folder, in words. */
function freeBytes(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = statfsSync(at);
      return `${bavail * bsize} bytes free`;
    } catch {
      if (at === dirname(at)) return "free space unknown";
    }
  }
}
