import { collector } from "./collector.ts";
import type { ServiceDescriptor } from "./descriptor.ts";
import { grafana } from "./grafana.ts";
import { keycloak } from "./keycloak.ts";
import { loki } from "./loki.ts";
import { minio } from "./minio.ts";
import { postgres } from "./postgres.ts";
import { prometheus } from "./prometheus.ts";
import { redisExporter } from "./redis-exporter.ts";
import { server } from "./server.ts";
import { store } from "./store.ts";
import { tempo } from "./tempo.ts";
import { valkey } from "./valkey.ts";
import { valkeyCache } from "./valkey-cache.ts";

/** What the embedded runtime starts. */
export const embeddedServices: readonly ServiceDescriptor[] = [
  postgres,
  keycloak,
  valkey,
  valkeyCache,
  minio,
  store,
  collector,
  tempo,
  loki,
  server,
  redisExporter,
  prometheus,
];

/** What the compose runtime starts: the app and the store as processes, all else as containers. */
export const composeServices: readonly ServiceDescriptor[] = [...embeddedServices, grafana];
