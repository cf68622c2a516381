import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { seededUser } from "#lab/standins/keycloak/settings.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import { oidcClientId, userName } from "../accounts.ts";
import { renderConfig } from "../render-config.ts";
import type { TemplateValues } from "../template.ts";

/** Administrator of the master realm; the password is the secret `consolePassword`. */
export const keycloakAdmin = "admin";

/** What the template `compose/keycloak/realm.json` asks for. All fit into JSON as they are. */
export function realmValues(
  origin: string,
  secrets: Pick<Secrets, "oidcClientSecret" | "userPassword">,
): TemplateValues {
  const user = seededUser(userName, secrets.userPassword);
  return {
    origin,
    client: oidcClientId,
    client_secret: secrets.oidcClientSecret,
    user: user.username,
    user_id: user.sub,
    email: user.email,
    given_name: user.givenName,
    family_name: user.familyName,
    password: user.password,
  };
}

/** Writes the realm to be imported, for its owner alone, and resolves with the folder it is in: `<serviceDir>/config`. */
export async function writeRealm(
  serviceDir: string,
  origin: string,
  secrets: Parameters<typeof realmValues>[1],
): Promise<string> {
  const folder = join(serviceDir, "config");
  await mkdir(folder, { recursive: true });
  const values = realmValues(origin, secrets);
  await renderConfig("keycloak/realm.json", values, join(folder, "lab-realm.json"));
  return folder;
}
