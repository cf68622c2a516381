/** Writes `grafana/dashboards/*.json` anew: `node lab/grafana/main.ts`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { dashboards } from "./catalogue.ts";
import { dashboardJson } from "./dashboard.ts";

for (const dashboard of dashboards) {
  const file = join(repositoryDir, "grafana", "dashboards", `${dashboard.uid}.json`);
  writeFileSync(file, `${JSON.stringify(dashboardJson(dashboard), null, 2)}\n`);
}
