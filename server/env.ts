/** Settings of the app, complete and checked. */
export interface ServerEnv {
  /** Port of the app on 127.0.0.1; 0 lets the system choose. */
  readonly port: number;
  readonly metricsPort: number;
  /** Canonical origin of the page, e.g. `http://localhost:4700`. */
  readonly origin: string;
  readonly doorSecret: string;
  readonly ticketKey: string;
  readonly databaseUrl: string;
  /** Role that may end other backends and nothing else. */
  readonly faultDatabaseUrl: string;
  /** `redis://:password@host:port`. */
  readonly valkeyUrl: string;
  /** Of the small Valkey for values that may go. Absent: there is none. */
  readonly valkeyCacheUrl: string | undefined;
  /** Base URL of the object storage; its key pair is in the environment where the AWS SDK looks for it. */
  readonly s3Endpoint: string;
  readonly s3Bucket: string;
  /** The identity provider, and this app as its client. */
  readonly oidc: {
    readonly issuer: string;
    readonly clientId: string;
    readonly clientSecret: string;
  };
  /** Newest first: the first signs cookies, all verify. */
  readonly cookieKeys: readonly string[];
  /** The seeded user at the identity provider, for visitors that the app plays itself. */
  readonly user: { readonly name: string; readonly password: string };
  /** Base URL of the OTLP receiver, without `/v1/traces`. */
  readonly otlpEndpoint: string;
  /** Name by which containers ask for this machine, where services are containers. */
  readonly containerHost: string | undefined;
  /** Absent: nothing is sent to Sentry. */
  readonly sentryDsn: string | undefined;
  readonly version: string;
}

export type ParsedEnv =
  | { readonly ok: true; readonly env: ServerEnv }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Checks every variable and reports all problems at once. Values of secrets are never repeated. */
export function parseEnv(source: Readonly<Record<string, string | undefined>>): ParsedEnv {
  const problems: string[] = [];
  const required = (name: string, minLength = 1): string => {
    const value = source[name] ?? "";
    if (value === "") problems.push(`${name} is missing`);
    else if (value.length < minLength)
      problems.push(`${name} is shorter than ${minLength} characters`);
    return value;
  };
  const port = (name: string): number => {
    const value = required(name);
    const number = Number(value);
    if (value !== "" && (!Number.isInteger(number) || number < 0 || number > 65_535)) {
      problems.push(`${name} must be a port from 0 to 65535, not "${value}"`);
    }
    return number;
  };
  const url = (name: string, protocols: readonly string[]): string => {
    const value = required(name);
    const protocol = URL.parse(value)?.protocol;
    if (value !== "" && (protocol === undefined || !protocols.includes(protocol))) {
      problems.push(`${name} must be a URL that starts with ${protocols.join(" or ")}`);
    }
    return value;
  };
  const web = ["http:", "https:"];
  const postgres = ["postgres:", "postgresql:"];
  const env: ServerEnv = {
    port: port("LAB_SERVER_PORT"),
    metricsPort: port("LAB_SERVER_METRICS_PORT"),
    origin: url("LAB_ORIGIN", web),
    doorSecret: required("LAB_DOOR_SECRET", 16),
    ticketKey: required("LAB_TICKET_KEY", 16),
    databaseUrl: url("DATABASE_URL", postgres),
    faultDatabaseUrl: url("LAB_FAULT_DATABASE_URL", postgres),
    valkeyUrl: url("VALKEY_URL", ["redis:", "rediss:"]),
    valkeyCacheUrl: source.VALKEY_CACHE_URL
      ? url("VALKEY_CACHE_URL", ["redis:", "rediss:"])
      : undefined,
    s3Endpoint: url("S3_ENDPOINT", web),
    s3Bucket: required("S3_BUCKET"),
    oidc: {
      issuer: url("OIDC_ISSUER", web),
      clientId: required("OIDC_CLIENT_ID"),
      clientSecret: required("OIDC_CLIENT_SECRET", 16),
    },
    cookieKeys: required("LAB_COOKIE_KEYS", 16).split(","),
    user: { name: required("LAB_USER_NAME"), password: required("LAB_USER_PASSWORD") },
    otlpEndpoint: url("OTEL_EXPORTER_OTLP_ENDPOINT", web).replace(/\/+$/, ""),
    containerHost: source.LAB_CONTAINER_HOST || undefined,
    sentryDsn: source.SENTRY_DSN ? url("SENTRY_DSN", web) : undefined,
    version: required("LAB_VERSION"),
  };
  return problems.length === 0 ? { ok: true, env: Object.freeze(env) } : { ok: false, problems };
}

let read: ServerEnv | undefined;

/** The process's settings, read once. Ends the process with code 78 (`EX_CONFIG`) when any is wrong. */
export function serverEnv(): ServerEnv {
  if (read !== undefined) return read;
  const parsed = parseEnv(process.env);
  if (!parsed.ok) {
    process.stderr.write(
      `The server cannot start:\n${parsed.problems.map((p) => `  ${p}\n`).join("")}`,
    );
    process.exit(78);
  }
  read = parsed.env;
  return read;
}
