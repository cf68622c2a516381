/** Somebody who signed in, as the identity provider told it. */
export interface SignedInUser {
  /** Opaque: the `user.id` of spans, logs and Sentry. */
  readonly sub: string;
  readonly username: string;
  readonly name: string;
  readonly email: string;
}

/** What the app may ask the identity provider with. Stays on the server. */
export interface Tokens {
  readonly access: string;
  /** Milliseconds since the epoch. */
  readonly accessExpiresAt: number;
  readonly refresh: string | undefined;
  /** Shown to the provider at sign-out. */
  readonly id: string | undefined;
}

/** A sign-in that waits for the person to come back from the identity provider. */
export interface PendingSignIn {
  readonly verifier: string;
  readonly nonce: string;
  readonly returnTo: string;
  readonly startedAt: number;
}

/** Everything kept of a session, under the hash of its id. */
export interface SessionData {
  readonly user?: SignedInUser;
  readonly tokens?: Tokens;
  /** When it was made by a sign-in. Milliseconds since the epoch, as all times here. */
  readonly createdAt?: number;
  /** By `state`. */
  readonly pending?: Readonly<Record<string, PendingSignIn>>;
}

/** How long sessions live, in milliseconds (OWASP ASVS 5.0, 7.3.1 and 7.3.2). */
export const sessionLimits = {
  /** Without any request. */
  idleMs: 30 * 60_000,
  /** However much it is used. */
  absoluteMs: 8 * 3_600_000,
  /** From the first step of a sign-in to the last. */
  pendingMs: 10 * 60_000,
} as const;

/** What a session may still live, in milliseconds, if nobody uses it; 0 or less when it is over. */
export function remainingMs(data: SessionData, now: number): number {
  if (data.createdAt === undefined) return sessionLimits.pendingMs;
  return Math.min(sessionLimits.idleMs, data.createdAt + sessionLimits.absoluteMs - now);
}
