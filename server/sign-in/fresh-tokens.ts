import { AppError } from "../errors.ts";
import { Sentry } from "../telemetry/sentry-sdk.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import { isProviderAway, reasonOf } from "./provider-errors.ts";
import { logSecurityEvent } from "./security-events.ts";
import type { SignedInUser, Tokens } from "./session-data.ts";
import type { SessionStore } from "./session-store.ts";

/** An access token that has less left is not used any more. */
const slackMs = 10_000;

/** Thrown when a session cannot go on: the person has to sign in again. */
export const sessionOver = (): AppError =>
  new AppError(401, "signed_out", "You are signed out.", { hint: "Sign in again." });

/** Gives access tokens of sessions, refreshed when they are old. */
export interface FreshTokens {
  /**
   * @throws AppError 401 when the session is over; the provider's error when it is away; the
   *   store's error when Valkey is.
   */
  readonly of: (
    sessionId: string,
  ) => Promise<{ readonly user: SignedInUser; readonly tokens: Tokens }>;
}

/**
 * Requests of one session that come together share one refresh. With rotation a refresh token works
 * once; a second use looks like theft and ends the session.
 */
export function freshTokens(
  store: SessionStore,
  provider: IdentityProvider,
  now: () => number = Date.now,
): FreshTokens {
  const flights = new Map<string, ReturnType<FreshTokens["of"]>>();

  async function refreshed(sessionId: string) {
    // Read anew: what the request has loaded may be from before another request's refresh.
    const stored = await store.read(sessionId);
    const { user, tokens } = stored.kind === "found" ? stored.data : {};
    if (stored.kind === "lost" || user === undefined || tokens === undefined) throw sessionOver();
    if (tokens.accessExpiresAt - now() > slackMs) return { user, tokens };
    try {
      if (tokens.refresh === undefined) throw sessionOver();
      const next = await provider.refresh(tokens);
      await store.replace(sessionId, { ...stored.data, tokens: next });
      return { user, tokens: next };
    } catch (error) {
      if (isProviderAway(error) || reasonOf(error) !== "invalid_grant") throw error;
      logSecurityEvent({
        name: "auth.refresh.refused",
        reason: reasonOf(error),
        userId: user.sub,
      });
      Sentry.captureMessage("refresh token refused: used twice, revoked or expired", "warning");
      await store.remove(sessionId);
      throw sessionOver();
    }
  }

  return {
    of(sessionId) {
      const flying = flights.get(sessionId);
      if (flying !== undefined) return flying;
      const flight = refreshed(sessionId).finally(() => flights.delete(sessionId));
      flights.set(sessionId, flight);
      return flight;
    },
  };
}
