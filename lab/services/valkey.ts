import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fromDebian } from "#lab/providers/debian.ts";
import { nodeCommand, nodeScript } from "#lab/providers/node-script.ts";
import { onPath } from "#lab/providers/path.ts";
import { writeFileAtomic } from "#lab/state/atomic-file.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import type { Command, LaunchContext, Program, Provider, ServiceDescriptor } from "./descriptor.ts";

const standIn: Provider = async () => {
  const found = await nodeScript(join(repositoryDir, "lab", "standins", "valkey", "main.ts"));
  return "path" in found ? { ...found, kind: "stand-in" } : found;
};
/** Sign-in and cache wait for it, and the stand-in does as well. */
const patienceMs = 5_000;
const path = onPath(
  ["valkey-server", "redis-server"],
  "Install it: brew install valkey, sudo apt install valkey-server, nix profile install nixpkgs#valkey, Docker: valkey/valkey",
);

/** Keeps the shop's sessions and cache, and carries its order events. */
export const valkey: ServiceDescriptor = {
  id: "valkey",
  title: "Valkey",
  role: "Keeps the shop's sessions and cache, and carries its order events.",
  dependsOn: [],
  presence: "late",
  ports: [{ name: "main", scheme: "redis" }],
  readiness: {
    kind: "valkey",
    port: "main",
    password: ({ secrets }) => secrets.valkeyPassword,
  },
  startTimeoutMs: 15_000,
  stop: { signal: "SIGTERM", graceMs: 1_500 },
  embedded: {
    named: path.named,
    providers: [
      path.provider,
      fromDebian({
        package: "valkey-tools",
        file: "usr/bin/valkey-check-rdb",
        // Debian ships the server's program under this name; what it does depends on how it is called.
        calledAs: "valkey-server",
        alone: false,
        limitSeconds: 30,
        patienceMs,
      }),
      fromDebian({
        package: "redis-tools",
        file: "usr/bin/redis-check-rdb",
        calledAs: "redis-server",
        alone: false,
        limitSeconds: 30,
        patienceMs,
      }),
      standIn,
    ],
    launch: (program, context) =>
      program.kind === "real"
        ? valkeyCommand(program, context, { maxmemory: "128mb", policy: "noeviction" })
        : standInCommand(program, context),
  },
};

/** How to run the real program. The password is in a file, because everybody on the machine may read command lines. */
export async function valkeyCommand(
  program: Program,
  context: LaunchContext,
  limits: { readonly maxmemory: string; readonly policy: string },
): Promise<Command> {
  const { port, secrets, serviceDir } = context;
  const file = join(serviceDir, "valkey.conf");
  const data = join(serviceDir, "data");
  await mkdir(data, { recursive: true });
  const settings = {
    bind: "127.0.0.1",
    port: String(port()),
    dir: JSON.stringify(data),
    requirepass: secrets.valkeyPassword,
    // A cache and sessions: nothing of it needs to outlive a restart.
    save: '""',
    appendonly: "no",
    maxmemory: limits.maxmemory,
    "maxmemory-policy": limits.policy,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
  await writeFileAtomic(file, lines.join(""), 0o600);
  return { file: program.path, args: [file], cwd: serviceDir, env: program.env ?? {} };
}

function standInCommand(program: Program, { dir, port, secrets }: LaunchContext): Command {
  return nodeCommand(program, {
    dir,
    env: {
      LAB_VALKEY_PORT: String(port()),
      LAB_VALKEY_PASSWORD: secrets.valkeyPassword,
    },
  });
}
