import type { Dashboard } from "./dashboard.ts";
import { frontend } from "./dashboards/frontend.ts";
import { objectStorage } from "./dashboards/object-storage.ts";
import { overview } from "./dashboards/overview.ts";
import { pipeline } from "./dashboards/pipeline.ts";
import { postgres } from "./dashboards/postgres.ts";
import { valkey } from "./dashboards/valkey.ts";

/** All dashboards of `grafana/dashboards`. */
export const dashboards: readonly Dashboard[] = [
  overview,
  postgres,
  valkey,
  objectStorage,
  pipeline,
  frontend,
];
