import type { TemplateValues } from "../template.ts";

/** Where the Collector listens, and where everything is that it works with. Addresses are `host:port`. */
export interface CollectorPlaces {
  /** Address that it binds: loopback for a process, every one inside of a container. */
  readonly listen: "127.0.0.1" | "0.0.0.0";
  readonly ports: {
    /** OTLP/HTTP. */
    readonly http: number;
    /** OTLP/gRPC. */
    readonly grpc: number;
    readonly health: number;
    /** Its own metrics. */
    readonly telemetry: number;
    /** Metrics that passed it or were made by it. */
    readonly metrics: number;
  };
  /** Base URL of the store. */
  readonly store: string;
  /** PostgreSQL, read as `otel_monitor` with the password in `LAB_MONITOR_PASSWORD`. */
  readonly postgres?: string | undefined;
  /** Tempo's OTLP/gRPC receiver. */
  readonly tempo?: string | undefined;
  /** Base URL of Loki. */
  readonly loki?: string | undefined;
  /** Base URL of a Prometheus that takes OTLP; others scrape `ports.metrics`. */
  readonly prometheus?: string | undefined;
  /** Where a Sentry project takes spans by OTLP; its key is in `LAB_SENTRY_AUTH`. */
  readonly sentry?: string | undefined;
}

/** What the template `compose/collector/config.yaml` asks for. */
export function collectorValues(places: CollectorPlaces): TemplateValues {
  const { listen, ports, store, postgres, tempo, loki, prometheus, sentry } = places;
  return {
    ...{ listen, store, postgres, tempo, sentry },
    http_port: String(ports.http),
    grpc_port: String(ports.grpc),
    health_port: String(ports.health),
    telemetry_port: String(ports.telemetry),
    metrics_port: String(ports.metrics),
    loki: loki && `${loki}/otlp`,
    prometheus: prometheus && `${prometheus}/api/v1/otlp`,
  };
}
