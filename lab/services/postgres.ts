import { namedPostgres, npmPostgres, systemPostgres } from "#lab/providers/postgres-binaries.ts";
import type { ServiceDescriptor } from "./descriptor.ts";
import { prepareCluster } from "./postgres/cluster.ts";
import { settleRoles } from "./postgres/roles.ts";

/** The shop's database. */
export const postgres: ServiceDescriptor = {
  id: "postgres",
  title: "PostgreSQL",
  role: "Holds the shop's customers, products and orders.",
  dependsOn: [],
  ports: [{ name: "main", scheme: "postgres" }],
  readiness: { kind: "postgres", port: "main", user: "lab_admin" },
  startTimeoutMs: 30_000,
  // SIGINT is its fast shutdown: it ends sessions instead of waiting for them.
  stop: { signal: "SIGINT", graceMs: 1_500 },
  embedded: {
    named: namedPostgres,
    providers: [npmPostgres, systemPostgres],
    launch: prepareCluster,
    settle: settleRoles,
  },
};
