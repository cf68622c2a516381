/** Data sources and dashboards by the names that links and panels use; provisioned in `grafana/`. */
export const dataSource = {
  prometheus: { type: "prometheus", uid: "prometheus" },
  tempo: { type: "tempo", uid: "tempo" },
  loki: { type: "loki", uid: "loki" },
} as const;
export type DataSource = (typeof dataSource)[keyof typeof dataSource];

/** File name and address of each dashboard. */
export const dashboardUid = {
  overview: "lab-overview",
  postgres: "lab-postgres",
  valkey: "lab-valkey",
  objectStorage: "lab-object-storage",
  pipeline: "lab-pipeline",
  frontend: "lab-frontend",
} as const;
export type DashboardUid = (typeof dashboardUid)[keyof typeof dashboardUid];

export const dashboardTitle: Readonly<Record<DashboardUid, string>> = {
  "lab-overview": "Lab overview",
  "lab-postgres": "PostgreSQL",
  "lab-valkey": "Valkey",
  "lab-object-storage": "Object storage",
  "lab-pipeline": "Pipeline",
  "lab-frontend": "Frontend",
};
