import type { ServiceDescriptor } from "./descriptor.ts";

/** Shows metrics, traces and logs side by side. */
export const grafana: ServiceDescriptor = {
  id: "grafana",
  title: "Grafana",
  role: "Shows metrics, traces and logs side by side.",
  dependsOn: [],
  presence: "optional",
  ports: [{ name: "main" }],
  readiness: { kind: "http", port: "main", path: "/api/health" },
  startTimeoutMs: 120_000,
  stop: { signal: "SIGTERM", graceMs: 2_500 },
  embedded: {
    named: async () => absent,
    providers: [async () => absent],
    launch: () => {
      throw new Error("there is no program to launch");
    },
  },
};

const absent = {
  notApplicable: "Grafana comes as a container only",
  hint: "npm run lab -- --runtime compose",
};
