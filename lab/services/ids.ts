/** Every service the lab can run. The same word names its descriptor, Compose block, config folder, state folder and log. */
export const serviceIds = [
  "postgres",
  "valkey",
  "valkey-cache",
  "redis-exporter",
  "minio",
  "keycloak",
  "collector",
  "tempo",
  "loki",
  "prometheus",
  "grafana",
  "store",
  "server",
] as const;
export type ServiceId = (typeof serviceIds)[number];
