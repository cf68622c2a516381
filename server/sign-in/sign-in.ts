import type { ServerEnv } from "../env.ts";
import { log } from "../log.ts";
import { reportHandled } from "../report.ts";
import type { Valkey } from "../valkey/client.ts";
import { type FreshTokens, freshTokens } from "./fresh-tokens.ts";
import {
  type IdentityProvider,
  openIdentityProvider,
  type ProviderOptions,
} from "./identity-provider.ts";
import { type SessionStore, sessionStore } from "./session-store.ts";

/** Everything about who is signed in. */
export interface SignIn {
  readonly origin: string;
  readonly cookieKeys: readonly string[];
  readonly store: SessionStore;
  readonly provider: IdentityProvider;
  readonly tokens: FreshTokens;
  readonly close: () => void;
}

/** Contacts nobody yet: neither Valkey nor the identity provider has to be there. */
export function openSignIn(
  env: Pick<ServerEnv, "origin" | "oidc" | "cookieKeys">,
  valkey: Pick<Valkey, "attempt">,
  limits: Pick<ProviderOptions, "timeoutSeconds"> = {},
): SignIn {
  const store = sessionStore(valkey);
  const provider = openIdentityProvider(env, {
    ...limits,
    onAway(error) {
      log.warn({ err: error }, "the identity provider is away, nobody can sign in");
      reportHandled(new Error("the identity provider is away", { cause: error }));
    },
  });
  return {
    origin: env.origin,
    cookieKeys: env.cookieKeys,
    store,
    provider,
    tokens: freshTokens(store, provider),
    close: provider.close,
  };
}
