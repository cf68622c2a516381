import { lokiValues } from "./loki/config.ts";
import { telemetryBackend } from "./telemetry-backend.ts";

/** Keeps log lines, for Grafana. */
export const loki = telemetryBackend({
  id: "loki",
  title: "Loki",
  role: "Keeps log lines and finds them by trace, for Grafana.",
  ports: ["grpc", "gossip"],
  install:
    "Get loki from https://github.com/grafana/loki/releases (deb, rpm), brew install loki, nix profile install nixpkgs#grafana-loki, Docker: grafana/loki",
  version: /loki, version v?(\d+\.\d+\.\d+)/,
  unknownVersion: async () => "unreleased",
  memory: "400MiB",
  values: (_program, port, data) =>
    lokiValues({
      listen: "127.0.0.1",
      ports: { http: port(), grpc: port("grpc"), gossip: port("gossip") },
      data,
    }),
});
