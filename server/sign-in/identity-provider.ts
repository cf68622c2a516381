import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import * as oidc from "openid-client";
import type { ServerEnv } from "../env.ts";
import { createCircuit } from "../valkey/circuit.ts";
import { isProviderAway, ProviderUnusableError } from "./provider-errors.ts";
import type { PendingSignIn, SignedInUser, Tokens } from "./session-data.ts";

/**
 * The identity provider as the app uses it. Whoever is answered waits 1.5 s at most, once: after
 * that calls are refused at once until a probe in the background succeeds.
 *
 * All reject with the client's own errors, or with `CircuitOpenError`; see `provider-errors.ts`.
 */
export interface IdentityProvider {
  /** Where to send a person. Asks the provider first: nobody is sent to a page that is not there. */
  readonly signInUrl: (pending: PendingSignIn, state: string) => Promise<URL>;
  /** Checks what the person brought back, and exchanges the code. */
  readonly redeem: (
    callback: URL,
    pending: PendingSignIn,
    state: string,
  ) => Promise<{ readonly user: SignedInUser; readonly tokens: Tokens }>;
  readonly refresh: (tokens: Tokens) => Promise<Tokens>;
  /** Name and address as the provider has them now. */
  readonly profile: (accessToken: string, sub: string) => Promise<SignedInUser>;
  /** Ends what a refresh token could still get. */
  readonly revoke: (refreshToken: string) => Promise<void>;
  /** Where to send a person who signed out here, so that the other side hears of it. */
  readonly signOutUrl: (idToken: string | undefined) => Promise<URL>;
  readonly close: () => void;
}

export interface ProviderOptions {
  /** Instead of 1.5 s. */
  readonly timeoutSeconds?: number;
  /** Once per outage, in the context of the first call that failed. */
  readonly onAway?: (error: unknown) => void;
}

/** The library's own is 30 s. */
const usualTimeoutSeconds = 1.5;
const probeEveryMs = 300;
const scope = "openid profile email";

/** Contacts nobody yet. */
export function openIdentityProvider(
  { oidc: settings, origin }: Pick<ServerEnv, "oidc" | "origin">,
  { timeoutSeconds = usualTimeoutSeconds, onAway }: ProviderOptions = {},
): IdentityProvider {
  const redirectUri = `${origin}/auth/callback`;
  const discover = (): Promise<oidc.Configuration> =>
    // The issuer, not the address of its document: with that the library would not compare them.
    oidc.discovery(
      new URL(settings.issuer),
      settings.clientId,
      undefined,
      oidc.ClientSecretBasic(settings.clientSecret),
      {
        timeout: timeoutSeconds,
        execute: [
          // Without it the ID token's signature is not looked at: the specification trusts TLS instead.
          oidc.enableNonRepudiationChecks,
          ...(settings.issuer.startsWith("http:") ? [oidc.allowInsecureRequests] : []),
        ],
      },
    );
  let known: oidc.Configuration | undefined;
  let asking: Promise<oidc.Configuration> | undefined;
  /** However many people click at once, the provider is asked once. */
  const ask = (): Promise<oidc.Configuration> => {
    asking ??= discover()
      .then(
        (configuration) => {
          const keys = known && oidc.getJwksCache(known);
          if (keys !== undefined) oidc.setJwksCache(configuration, keys);
          known = configuration;
          return configuration;
        },
        (error: unknown) => {
          throw new ProviderUnusableError(error);
        },
      )
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  const circuit = createCircuit({
    name: "identity provider",
    isAway: isProviderAway,
    probeEveryMs,
    probe: () => context.with(suppressTracing(ROOT_CONTEXT), ask),
    ...(onAway === undefined ? {} : { onOpen: onAway }),
  });
  const withProvider = <T>(work: (configuration: oidc.Configuration) => Promise<T>): Promise<T> =>
    circuit.call(async () => work(known ?? (await ask())));

  return {
    signInUrl: (pending, state) =>
      circuit.call(async () =>
        oidc.buildAuthorizationUrl(await ask(), {
          redirect_uri: redirectUri,
          scope,
          state,
          nonce: pending.nonce,
          code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
          code_challenge_method: "S256",
        }),
      ),
    redeem: (callback, pending, state) =>
      withProvider(async (configuration) => {
        const answer = await oidc.authorizationCodeGrant(configuration, callback, {
          pkceCodeVerifier: pending.verifier,
          expectedState: state,
          expectedNonce: pending.nonce,
          idTokenExpected: true,
        });
        const claims = answer.claims();
        if (claims === undefined) throw new Error("the provider sent no ID token");
        return { user: userOf(claims), tokens: tokensOf(answer) };
      }),
    refresh: (tokens) =>
      withProvider(async (configuration) => {
        const answer = await oidc.refreshTokenGrant(configuration, tokens.refresh ?? "");
        return tokensOf(answer, tokens);
      }),
    profile: (accessToken, sub) =>
      withProvider(async (configuration) =>
        userOf(await oidc.fetchUserInfo(configuration, accessToken, sub)),
      ),
    revoke: (refreshToken) =>
      withProvider((configuration) =>
        oidc.tokenRevocation(configuration, refreshToken, { token_type_hint: "refresh_token" }),
      ),
    signOutUrl: (idToken) =>
      circuit.call(async () =>
        oidc.buildEndSessionUrl(await ask(), {
          post_logout_redirect_uri: `${origin}/`,
          ...(idToken === undefined ? {} : { id_token_hint: idToken }),
        }),
      ),
    close: () => circuit.stop(),
  };
}

function userOf(claims: {
  readonly sub: string;
  readonly preferred_username?: unknown;
  readonly name?: unknown;
  readonly email?: unknown;
}): SignedInUser {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return {
    sub: claims.sub,
    username: text(claims.preferred_username),
    name: text(claims.name),
    email: text(claims.email),
  };
}

type TokenAnswer = Pick<
  oidc.TokenEndpointResponse,
  "access_token" | "refresh_token" | "id_token" | "expires_in"
>;

/** A provider that does not rotate leaves the old refresh token in force. */
const tokensOf = (answer: TokenAnswer, before?: Tokens): Tokens => ({
  access: answer.access_token,
  accessExpiresAt: Date.now() + (answer.expires_in ?? 60) * 1000,
  refresh: answer.refresh_token ?? before?.refresh,
  id: answer.id_token ?? before?.id,
});
