import { randomBytes } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { setAside, writeFileAtomic } from "./atomic-file.ts";
import { openLabDir } from "./lab-dir.ts";

const secret = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/));
const version = 1;
const secretsSchema = v.object({
  version: v.literal(version),
  /** What the front door sends to the server with every request. */
  doorSecret: secret,
  /** Signs run tickets. */
  ticketKey: secret,
  /** Newest first: the first signs cookies, all verify. */
  cookieKeys: v.pipe(v.array(secret), v.minLength(1)),
  /** PostgreSQL superuser `lab_admin`. */
  adminPassword: secret,
  /** Role `lab_app`. */
  appPassword: secret,
  /** Role `otel_monitor`. */
  monitorPassword: secret,
  /** Role `lab_fault`. */
  faultPassword: secret,
  valkeyPassword: secret,
  /** Key pair of the object storage: access key `lab`, this secret. Signs the token of its metrics too. */
  s3SecretKey: secret,
  /** The app at the identity provider: client `lab-server`. */
  oidcClientSecret: secret,
  /** The seeded user `ada` at the identity provider. Shown to whoever uses the lab. */
  userPassword: secret,
  /** Administrator of the identity provider, and of Grafana. */
  consolePassword: secret,
});

/** What this clone's processes authenticate each other with. Each is 32 random bytes as base64url, so it fits a URL as it is. */
export type Secrets = Readonly<Omit<v.InferOutput<typeof secretsSchema>, "version">>;

/**
 * The secrets of this clone, made at the first call. A file that cannot be used is set aside and
 * new secrets are made: the services take them over when they start.
 * @throws LabError `disk-full` or `state-unwritable`.
 */
export async function loadSecrets(dir: string): Promise<Secrets> {
  await openLabDir(dir);
  const path = join(dir, "secrets.json");
  const found = await read(path);
  if (found) {
    await chmod(path, 0o600);
    return found;
  }
  const made: Secrets = {
    doorSecret: random(),
    ticketKey: random(),
    cookieKeys: [random()],
    adminPassword: random(),
    appPassword: random(),
    monitorPassword: random(),
    faultPassword: random(),
    valkeyPassword: random(),
    s3SecretKey: random(),
    oidcClientSecret: random(),
    userPassword: random(),
    consolePassword: random(),
  };
  await writeFileAtomic(path, `${JSON.stringify({ version, ...made }, null, 2)}\n`, 0o600);
  return made;
}

async function read(path: string): Promise<Secrets | undefined> {
  try {
    const text = await readFile(path, "utf8");
    const { version: _, ...secrets } = v.parse(secretsSchema, JSON.parse(text));
    return secrets;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    await setAside(path);
    return undefined;
  }
}

function random(): string {
  return randomBytes(32).toString("base64url");
}
