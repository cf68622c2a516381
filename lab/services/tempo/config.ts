import type { TemplateValues } from "../template.ts";

/** Which keys it takes: 3.0 replaced the ingester and the compactor. */
export type TempoLine = "tempo2" | "tempo3";

export interface TempoPlaces {
  readonly line: TempoLine;
  /** Address that it binds: loopback for a process, every one inside of a container. */
  readonly listen: "127.0.0.1" | "0.0.0.0";
  readonly ports: {
    /** Its API. */
    readonly http: number;
    /** OTLP/gRPC. */
    readonly otlp: number;
    /** Between its own parts. */
    readonly grpc: number;
    readonly gossip: number;
  };
  /** Folder of its data. */
  readonly data: string;
}

/** What the template `compose/tempo/tempo.yaml` asks for. */
export function tempoValues({ line, listen, ports, data }: TempoPlaces): TemplateValues {
  return {
    ...{ listen, data, [line]: line },
    http_port: String(ports.http),
    otlp_port: String(ports.otlp),
    grpc_port: String(ports.grpc),
    gossip_port: String(ports.gossip),
  };
}
