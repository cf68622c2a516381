import { productBucket } from "../accounts.ts";
import type { TemplateValues } from "../template.ts";

/** Where Prometheus reads metrics, each as `host:port`; what is undefined is not part of the lab. */
export interface ScrapePlaces {
  /** Itself. */
  readonly prometheus: string | undefined;
  /** The app. */
  readonly server: string | undefined;
  /** The store, and what it tells of PostgreSQL. */
  readonly store: string | undefined;
  readonly postgres: string | undefined;
  /** What the Collector tells of itself. */
  readonly collector?: string | undefined;
  /** What passed the Collector or was made by it, unless it is sent by OTLP. */
  readonly telemetry?: string | undefined;
  readonly tempo?: string | undefined;
  readonly loki?: string | undefined;
  readonly keycloak?: string | undefined;
  readonly redisExporter: string | undefined;
  readonly minio: string | undefined;
  /** The storage is MinIO, and not the stand-in for it. */
  readonly isRealMinio: boolean;
  /** File with the token that MinIO asks for, as Prometheus sees it. */
  readonly minioTokenFile: string;
  /** It takes OTLP: 3.0 and later, unless it was built without. */
  readonly takesOtlp: boolean;
}

/** What the template `compose/prometheus/prometheus.yml` asks for. */
export function prometheusValues(places: ScrapePlaces): TemplateValues {
  const { redisExporter, minio, isRealMinio, minioTokenFile, takesOtlp, ...plain } = places;
  return {
    ...plain,
    redis_exporter: redisExporter,
    minio,
    minio_bucket: minio && isRealMinio ? productBucket : undefined,
    minio_token_file: minioTokenFile,
    otlp: takesOtlp ? "yes" : undefined,
  };
}
