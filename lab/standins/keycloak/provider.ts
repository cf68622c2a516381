import { randomBytes } from "node:crypto";
import Provider, { type ProviderContext } from "oidc-provider";
import { type PageContext, pages } from "./pages.ts";
import { type KeycloakSettings, lifetimes } from "./settings.ts";
import type { SigningKey } from "./signing-key.ts";
import { stateTable } from "./state-table.ts";

/** Path of the realm: everything Keycloak does for it is below. */
export const realmPath = "/realms/lab";
/** Where people type their password, followed by the interaction's id. */
export const interactionPath = `${realmPath}/login-actions/authenticate`;
const protocol = "/protocol/openid-connect";
const grantedScope = "openid profile email offline_access";

/**
 * An OpenID provider with Keycloak's addresses and rules: code with PKCE for one confidential
 * client, refresh tokens that rotate and take their whole family with them when one comes back.
 */
export function openProvider(
  settings: KeycloakSettings & { readonly issuer: string },
  key: SigningKey,
): Provider {
  const { client, issuer, user } = settings;
  const cookie = `lab_idp_${new URL(issuer).port}`;
  const cookieOptions = { path: realmPath, signed: true, httpOnly: true, sameSite: "lax" } as const;
  const page: PageContext = { appOrigin: client.origin };
  return new Provider(issuer, {
    adapter: () => stateTable(),
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        client_name: "Shop",
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        redirect_uris: [`${client.origin}/auth/callback`],
        post_logout_redirect_uris: [`${client.origin}/`],
        token_endpoint_auth_method: "client_secret_basic",
      },
    ],
    jwks: { keys: [key] },
    cookies: {
      // The cookies of all ports of a host are in one jar: without the port two labs would sign each other out.
      names: { session: cookie, interaction: `${cookie}_step`, resume: `${cookie}_resume` },
      // A restart ends all sessions anyway.
      keys: [randomBytes(32).toString("base64url")],
      long: cookieOptions,
      short: cookieOptions,
    },
    routes: {
      authorization: `${protocol}/auth`,
      token: `${protocol}/token`,
      userinfo: `${protocol}/userinfo`,
      jwks: `${protocol}/certs`,
      end_session: `${protocol}/logout`,
      introspection: `${protocol}/token/introspect`,
      revocation: `${protocol}/revoke`,
    },
    scopes: ["openid", "profile", "email", "offline_access"],
    claims: {
      openid: ["sub"],
      profile: ["name", "preferred_username", "given_name", "family_name"],
      email: ["email", "email_verified"],
    },
    // As Keycloak: the profile is in the ID token, not only at the userinfo endpoint.
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx: ProviderContext, form: string) =>
          pages.signOut(ctx, page, form, ctx.oidc.entities.IdTokenHint !== undefined),
        postLogoutSuccessSource: (ctx: ProviderContext) => pages.signedOut(ctx, page),
      },
    },
    pkce: { required: () => true },
    ttl: lifetimes,
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    clientBasedCORS: () => false,
    findAccount: (_ctx: ProviderContext, sub: string) =>
      sub === user.sub
        ? {
            accountId: sub,
            claims: () => ({
              sub,
              name: `${user.givenName} ${user.familyName}`,
              preferred_username: user.username,
              given_name: user.givenName,
              family_name: user.familyName,
              email: user.email,
              email_verified: true,
            }),
          }
        : undefined,
    loadExistingGrant: existingGrant,
    interactions: {
      url: (_ctx: ProviderContext, { uid }: { readonly uid: string }) =>
        `${interactionPath}/${uid}`,
    },
    renderError: (ctx: ProviderContext, out: ProviderError) => pages.error(ctx, page, out),
  });
}

interface ProviderError {
  readonly error: string;
  readonly error_description?: string;
}

/** The app is the realm's own, so its users need not consent; `prompt=consent` asks all the same. */
async function existingGrant(ctx: ProviderContext) {
  const { provider, client, session, result } = ctx.oidc;
  const clientId = client?.clientId ?? "";
  const known = result?.consent?.grantId ?? session?.grantIdFor(clientId);
  const found = known === undefined ? undefined : await provider.Grant.find(known);
  if (found !== undefined) return found;
  const grant = new provider.Grant({ clientId, accountId: session?.accountId ?? "" });
  grant.addOIDCScope(grantedScope);
  await grant.save();
  return grant;
}
