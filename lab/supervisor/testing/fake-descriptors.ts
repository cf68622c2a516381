import { fileURLToPath } from "node:url";
import type { LaunchContext, ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import type { Secrets } from "#lab/state/secrets.ts";

const script = fileURLToPath(new URL("./fake-service.mjs", import.meta.url));

/** What a fake service does. */
export interface Behaviour {
  /** Lines it writes first. */
  readonly says?: readonly string[];
  /** Exits at once with this code. */
  readonly crashes?: number;
  /** Ignores SIGTERM. */
  readonly stubborn?: boolean;
  /** Has a process of its own. */
  readonly child?: boolean;
  /** Answers with this status instead of 200. */
  readonly status?: number;
}

export type FakeOptions = Behaviour &
  Partial<Omit<ServiceDescriptor, "embedded">> & {
    readonly env?: (context: LaunchContext) => Readonly<Record<string, string>>;
    readonly settle?: (context: LaunchContext) => Promise<void>;
    readonly loadsEarly?: true;
  };

/** A service whose program is a small HTTP server. */
export function fakeService(id: ServiceId, options: FakeOptions = {}): ServiceDescriptor {
  const { env, settle, loadsEarly, says, crashes, stubborn, child, status, ...rest } = options;
  const behaviour = { says, crashes, stubborn, child, status };
  const program = { path: script, kind: "real", version: "1" } as const;
  return {
    id,
    title: `Fake ${id}`,
    role: "Stands where a service would.",
    dependsOn: [],
    ports: [{ name: "main" }],
    readiness: { kind: "http", port: "main", path: "/" },
    startTimeoutMs: 10_000,
    stop: { signal: "SIGTERM", graceMs: 1_000 },
    ...rest,
    embedded: {
      named: async (path) => ({ ...program, path }),
      providers: [async () => program],
      launch: (found, context) => ({
        file: process.execPath,
        args: [found.path],
        cwd: "/",
        env: {
          FAKE: JSON.stringify(behaviour),
          FAKE_PORT: String(context.port()),
          ...env?.(context),
        },
      }),
      ...(settle ? { settle } : {}),
      ...(loadsEarly ? { loadsEarly } : {}),
    },
  };
}

export const testSecrets: Secrets = {
  doorSecret: "door",
  ticketKey: "ticket",
  cookieKeys: ["cookie"],
  adminPassword: "admin",
  appPassword: "app",
  monitorPassword: "monitor",
  faultPassword: "fault",
  valkeyPassword: "valkey",
  s3SecretKey: "s3",
  oidcClientSecret: "oidc",
  userPassword: "user",
  consolePassword: "console",
};
