import type { Secrets } from "#lab/state/secrets.ts";
import type { Command } from "../descriptor.ts";
import { keycloakAdmin } from "./realm.ts";

/** How a Keycloak on this machine is run. */
export interface KeycloakPlaces {
  /** Its `kc.sh`. */
  readonly script: string;
  readonly cwd: string;
  readonly port: number;
  /** Health and metrics. */
  readonly managementPort: number;
  /** What browser and app call its realm. */
  readonly issuer: string;
  /** Base URL that takes OTLP; no traces without. */
  readonly telemetry?: string | undefined;
}

/**
 * Starts it with its database in memory: the realm is imported at every start, so that it follows
 * the lab's secrets and port. https://www.keycloak.org/server/all-config
 */
export function keycloakCommand(
  { script, cwd, port, managementPort, issuer, telemetry }: KeycloakPlaces,
  secrets: Pick<Secrets, "consolePassword">,
): Command {
  return {
    file: script,
    args: ["start-dev", "--import-realm"],
    cwd,
    env: {
      KC_HTTP_HOST: "127.0.0.1",
      KC_HTTP_PORT: String(port),
      KC_HTTP_MANAGEMENT_HOST: "127.0.0.1",
      KC_HTTP_MANAGEMENT_PORT: String(managementPort),
      KC_HOSTNAME: new URL(issuer).origin,
      KC_HEALTH_ENABLED: "true",
      KC_METRICS_ENABLED: "true",
      KC_DB: "dev-mem",
      KC_CACHE: "local",
      KC_BOOTSTRAP_ADMIN_USERNAME: keycloakAdmin,
      KC_BOOTSTRAP_ADMIN_PASSWORD: secrets.consolePassword,
      ...tracing(telemetry),
      JAVA_OPTS_KC_HEAP: "-Xms64m -Xmx384m",
      // The thorough compiler pays off after minutes; a start is shorter without.
      JAVA_OPTS_APPEND: "-XX:TieredStopAtLevel=1",
    },
  };
}

/** Traces that begin at the app go on in Keycloak; its own queries would be hundreds of spans. */
function tracing(telemetry: string | undefined): Readonly<Record<string, string>> {
  if (telemetry === undefined) return { KC_TRACING_ENABLED: "false" };
  return {
    KC_TRACING_ENABLED: "true",
    KC_TRACING_PROTOCOL: "http/protobuf",
    KC_TRACING_ENDPOINT: telemetry,
    KC_TRACING_JDBC_ENABLED: "false",
    // The way to the page is five seconds long otherwise.
    QUARKUS_OTEL_BSP_SCHEDULE_DELAY: "PT0.2S",
    // The only address that has a token in it, and Keycloak records addresses as they are.
    QUARKUS_OTEL_TRACES_SUPPRESS_APPLICATION_URIS: "/realms/lab/protocol/openid-connect/logout",
  };
}
