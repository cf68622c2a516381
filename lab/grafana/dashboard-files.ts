import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import type { DashboardFile } from "./queries.ts";

const dir = join(repositoryDir, "grafana", "dashboards");

/** The dashboards as Grafana is given them. */
export const dashboardFiles = (): readonly DashboardFile[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(dir, name), "utf8")));
