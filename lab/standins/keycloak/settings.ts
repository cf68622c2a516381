import { userSub } from "#lab/services/accounts.ts";

/** Everything the stand-in has to know; it comes by environment, so that no secret is on a command line. */
export interface KeycloakSettings {
  /** Where it listens on 127.0.0.1; 0 lets the system choose. */
  readonly port: number;
  /** Where its signing key is kept: an existing folder. */
  readonly dir: string;
  /** What browser and app call it, e.g. `http://localhost:20412/realms/lab`. `:0` stands for its own port. */
  readonly issuer: string;
  readonly client: {
    readonly id: string;
    readonly secret: string;
    /** Origin of the app: sign-in ends at `/auth/callback`, sign-out at `/`. */
    readonly origin: string;
  };
  readonly user: SeededUser;
}

/** The person who is there from the start. */
export interface SeededUser {
  /** Opaque and the same for ever. */
  readonly sub: string;
  readonly username: string;
  readonly password: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly email: string;
}

/** Ada with this name and password. */
export const seededUser = (username: string, password: string): SeededUser => ({
  sub: userSub,
  username,
  password,
  givenName: "Ada",
  familyName: "Lovelace",
  email: `${username}@shop.example`,
});

/** Life of what the provider hands out, in seconds: Keycloak's defaults where it has one. */
export const lifetimes = {
  AccessToken: 300,
  AuthorizationCode: 60,
  IdToken: 300,
  Interaction: 1800,
  RefreshToken: 10 * 3600,
  Session: 10 * 3600,
  Grant: 10 * 3600,
} as const;

/** @throws Error that names the variable, never its value. */
export function settingsOf(env: Readonly<Record<string, string | undefined>>): KeycloakSettings {
  const needed = (name: string): string => {
    const value = env[name];
    if (!value) throw new Error(`${name} is missing`);
    return value;
  };
  const port = Number(needed("LAB_KEYCLOAK_PORT"));
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error("LAB_KEYCLOAK_PORT must be a port");
  return {
    port,
    dir: needed("LAB_KEYCLOAK_DIR"),
    issuer: needed("LAB_KEYCLOAK_ISSUER"),
    client: {
      id: needed("LAB_KEYCLOAK_CLIENT"),
      secret: needed("LAB_KEYCLOAK_CLIENT_SECRET"),
      origin: needed("LAB_ORIGIN"),
    },
    user: seededUser(needed("LAB_USER_NAME"), needed("LAB_USER_PASSWORD")),
  };
}
