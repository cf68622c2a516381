import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryDir } from "./lab-dir.ts";

/** Version of this clone, as `package.json` says. */
export function labVersion(): string {
  const { version } = JSON.parse(readFileSync(join(repositoryDir, "package.json"), "utf8"));
  return String(version);
}
