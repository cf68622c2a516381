import type { TemplateValues } from "../template.ts";

export interface LokiPlaces {
  /** Address that it binds: loopback for a process, every one inside of a container. */
  readonly listen: "127.0.0.1" | "0.0.0.0";
  readonly ports: {
    /** Its API, and where it takes OTLP. */
    readonly http: number;
    /** Between its own parts. */
    readonly grpc: number;
    readonly gossip: number;
  };
  /** Folder of its data. */
  readonly data: string;
}

/** What the template `compose/loki/loki.yaml` asks for. */
export function lokiValues({ listen, ports, data }: LokiPlaces): TemplateValues {
  return {
    ...{ listen, data },
    http_port: String(ports.http),
    grpc_port: String(ports.grpc),
    gossip_port: String(ports.gossip),
  };
}
