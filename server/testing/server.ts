import { randomBytes } from "node:crypto";
import type { Mode } from "#scenarios/mode.ts";
import { attribute, header } from "#scenarios/names.ts";
import type { ParamValues } from "#scenarios/params.ts";
import { signTicket, type Ticket } from "#scenarios/ticket.ts";
import { type Child, startChild } from "./child.ts";
import type { TestPostgres } from "./postgres.ts";

export const doorSecret = "door-secret-of-this-test-start";
export const ticketKey = "ticket-key-of-this-test-clone";

/** The real app in a process of its own, started as the lab starts it. */
export interface TestServer extends Child {
  readonly url: string;
  readonly metricsUrl: string;
  /** A request as the front door would pass it on. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
  /** Runs a scenario the way a driver does, under a trace of its own. */
  readonly run: (scenario: string, options?: RunOptions) => Promise<Run>;
}
export interface RunOptions {
  readonly mode?: Mode;
  readonly params?: ParamValues;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ticket?: Partial<Ticket>;
  /** Aborted: the client leaves. */
  readonly signal?: AbortSignal;
}
export interface Run {
  readonly runId: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined when the connection broke. */
  readonly response: Response | undefined;
}

export const hex = (bytes: number): string => randomBytes(bytes).toString("hex");
/** A run id of the right form. */
export const newRunId = (): string => `t${hex(20)}`.slice(0, 26);

/** @param entry the program after `telemetry.ts`; by default the app's own `main.ts`. */
export async function startServer(parts: {
  readonly postgres: TestPostgres;
  readonly telemetryUrl: string;
  readonly entry?: string;
}): Promise<TestServer> {
  const child = startChild(
    ["--import", "./server/telemetry.ts", parts.entry ?? "server/main.ts"],
    serverEnvironment(parts.postgres, parts.telemetryUrl),
  );
  const { port, metricsPort } = await child.line(({ msg }) => msg === "listening");
  const url = `http://127.0.0.1:${port}`;
  const request = (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set(header.doorSecret, doorSecret);
    return fetch(url + path, { ...init, headers });
  };
  return {
    ...child,
    url,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    fetch: request,
    async run(scenario, { mode = "fault", params = {}, headers = {}, ticket = {}, signal } = {}) {
      const [runId, traceId, spanId] = [newRunId(), hex(16), hex(8)];
      const signed = signTicket(
        { runId, scenario, mode, params, seed: 1, expiresAt: Date.now() + 60_000, ...ticket },
        ticketKey,
      );
      const baggage = [
        `${attribute.runId}=${runId}`,
        `${attribute.scenarioId}=${scenario}`,
        `${attribute.scenarioMode}=${mode}`,
      ].join(",");
      const response = await request(`/api/scenarios/${scenario}`, {
        method: "POST",
        headers: {
          [header.ticket]: signed,
          traceparent: `00-${traceId}-${spanId}-01`,
          baggage,
          ...headers,
        },
        ...(signal === undefined ? {} : { signal }),
      }).catch(() => undefined);
      return { runId, traceId, spanId, response };
    },
  };
}

/** A complete environment of the app; what the test gives no address of is not there. */
export function serverEnvironment(
  postgres: Pick<TestPostgres, "appUrl" | "faultUrl">,
  telemetryUrl: string,
): Record<string, string> {
  return {
    LAB_SERVER_PORT: "0",
    LAB_SERVER_METRICS_PORT: "0",
    LAB_ORIGIN: "http://localhost:4700",
    LAB_DOOR_SECRET: doorSecret,
    LAB_TICKET_KEY: ticketKey,
    LAB_VERSION: "0.0.0-test",
    DATABASE_URL: postgres.appUrl,
    LAB_FAULT_DATABASE_URL: postgres.faultUrl,
    VALKEY_URL: "redis://:pw@127.0.0.1:1",
    S3_ENDPOINT: "http://127.0.0.1:1",
    S3_BUCKET: "lab-products",
    AWS_ACCESS_KEY_ID: "lab",
    AWS_SECRET_ACCESS_KEY: "secret-of-this-test-start",
    AWS_REGION: "us-east-1",
    OIDC_ISSUER: "http://127.0.0.1:1/realms/lab",
    OIDC_CLIENT_ID: "lab-server",
    OIDC_CLIENT_SECRET: "client-secret-of-this-start",
    LAB_COOKIE_KEYS: "cookie-key-of-this-test-start",
    LAB_USER_NAME: "ada",
    LAB_USER_PASSWORD: "user-password-of-this-start",
    OTEL_EXPORTER_OTLP_ENDPOINT: telemetryUrl,
    SENTRY_DSN: `${telemetryUrl.replace("//", "//lab@")}/1`,
  };
}
