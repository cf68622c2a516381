import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { whenAskedFor } from "#lab/providers/asked-for.ts";
import { nodeCommand } from "#lab/providers/node-script.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { issuerOf, oidcClientId, userName } from "./accounts.ts";
import type { Command, LaunchContext, Program, ServiceDescriptor } from "./descriptor.ts";
import { keycloakCommand } from "./keycloak/command.ts";
import {
  distributionOf,
  keycloakInstall,
  keycloakOnPath,
  namedKeycloak,
} from "./keycloak/distribution.ts";
import { homeIsCompiled, openHome } from "./keycloak/home.ts";
import { writeRealm } from "./keycloak/realm.ts";
import { warmUp } from "./keycloak/warm-up.ts";

/** The identity provider. */
export const keycloak: ServiceDescriptor = {
  id: "keycloak",
  title: "Keycloak",
  role: "Signs people in: OpenID Connect for the shop.",
  dependsOn: [],
  ports: [{ name: "main" }, { name: "management" }],
  // Not its health endpoint, which knows nothing of the realm.
  readiness: { kind: "http", port: "main", path: "/realms/lab/.well-known/openid-configuration" },
  // The real one takes half a minute on a machine that has nothing else to do, and minutes on a busy one.
  startTimeoutMs: 300_000,
  stop: { signal: "SIGTERM", graceMs: 4_000 },
  embedded: {
    named: (given) => namedKeycloak(given),
    // A Java machine makes every start slower, so one that happens to be installed is not taken.
    providers: [whenAskedFor("keycloak", keycloakOnPath, keycloakInstall), standIn],
    launch: (program, context) =>
      program.kind === "real" ? realCommand(program, context) : standInCommand(program, context),
    settle: async ({ origin, port, serviceDir, signal }) => {
      await homeIsCompiled(join(serviceDir, "home"));
      await warmUp({ port: port(), origin }, signal);
    },
  },
};

async function realCommand(program: Program, context: LaunchContext): Promise<Command> {
  const { appPortOf, origin, port, secrets, serviceDir } = context;
  const realms = await writeRealm(serviceDir, origin, secrets);
  const distribution = { path: distributionOf(program), version: program.version };
  return keycloakCommand(
    {
      script: await openHome(join(serviceDir, "home"), distribution, realms),
      cwd: serviceDir,
      port: port(),
      managementPort: port("management"),
      issuer: issuerOf(origin, await appPortOf("keycloak")),
      telemetry: `http://127.0.0.1:${await appPortOf("collector")}`,
    },
    secrets,
  );
}

async function standInCommand(program: Program, context: LaunchContext): Promise<Command> {
  const { appPortOf, dir, origin, port, secrets, serviceDir } = context;
  return nodeCommand(program, {
    dir,
    env: {
      LAB_KEYCLOAK_PORT: String(port()),
      LAB_KEYCLOAK_DIR: serviceDir,
      LAB_KEYCLOAK_ISSUER: issuerOf(origin, await appPortOf("keycloak")),
      LAB_KEYCLOAK_CLIENT: oidcClientId,
      LAB_KEYCLOAK_CLIENT_SECRET: secrets.oidcClientSecret,
      LAB_ORIGIN: origin,
      LAB_USER_NAME: userName,
      LAB_USER_PASSWORD: secrets.userPassword,
    },
  });
}

async function standIn(): Promise<Program> {
  const manifest = await readFile(
    new URL("../package.json", import.meta.resolve("oidc-provider")),
    "utf8",
  );
  return {
    path: join(repositoryDir, "lab", "standins", "keycloak", "main.ts"),
    kind: "stand-in",
    version: `oidc-provider ${JSON.parse(manifest).version} (npm)`,
  };
}
