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

/**
 * Every service, in the order of the list. Both runtimes have all of them: what cannot run in one is told as
 * absent there. Compose starts the app and the store as processes, all else as containers.
 */
export const labServices: readonly ServiceDescriptor[] = [
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
  grafana,
];
