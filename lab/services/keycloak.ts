import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeCommand, nodeScript } from "#lab/providers/node-script.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { issuerOf, oidcClientId, userName } from "./accounts.ts";
import type { Program, ServiceDescriptor } from "./descriptor.ts";

/** The identity provider. */
export const keycloak: ServiceDescriptor = {
  id: "keycloak",
  title: "Keycloak",
  role: "Signs people in: OpenID Connect for the shop.",
  dependsOn: [],
  ports: [{ name: "main" }],
  // Not its health endpoint: that is on another port of the real program, and says nothing of the realm.
  readiness: { kind: "http", port: "main", path: "/realms/lab/.well-known/openid-configuration" },
  startTimeoutMs: 60_000,
  stop: { signal: "SIGTERM", graceMs: 1_500 },
  embedded: {
    named: nodeScript,
    providers: [standIn],
    launch: async (program, { appPortOf, dir, origin, port, secrets, serviceDir }) =>
      nodeCommand(program, {
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
      }),
  },
};

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
