/** What an attacker, or a broken provider, changes on the way of a sign-in. */
export interface SignInTampering {
  /** The address at the identity provider that the app sent the visitor to. */
  readonly request?: (url: URL) => void;
  /** The address at the app that the identity provider sends the visitor back to; waited for before it is followed. */
  readonly callback?: (url: URL) => void | Promise<void>;
  /** Says no where the identity provider asks whether the app may know them (`prompt=consent`). */
  readonly deniesConsent?: boolean;
}

/** Somebody who uses the app over HTTP, with a cookie jar of their own. */
export interface Visitor {
  /** Sends a request to the app, `traceparent` included. Redirects are not followed. `path` starts with `/`. */
  readonly http: (path: string, init?: RequestInit) => Promise<Response>;
  /**
   * Signs in at the identity provider as the lab's seeded user, on the way to a page of the app.
   * Resolves with the path that the app leads to in the end; rejects when it does not lead anywhere.
   */
  readonly signIn: (from?: string) => Promise<string>;
  /** As {@link signIn}, but resolves with the app's last answer, whatever it is. */
  readonly attemptSignIn: (tampering?: SignInTampering) => Promise<Response>;
  readonly signOut: () => Promise<void>;
  /**
   * Arrives with a session from before, for times when nobody could sign in. It has no tokens.
   * Rejects when Valkey is away; the visitor has the session's cookie all the same.
   */
  readonly comeSignedIn: () => Promise<void>;
  /**
   * Moves the visitor's session so many milliseconds into the past, as if nobody had used it
   * meanwhile; with `inUse`, as if somebody had.
   */
  readonly letTimePass: (ms: number, how?: { readonly inUse: boolean }) => Promise<void>;
  /** Takes the visitor's session away on the server, as a sign-out elsewhere or a lost Valkey would. */
  readonly loseSession: () => Promise<void>;
  /**
   * Copies the session's refresh token, as a thief would. `redeem` uses the copy at the identity
   * provider and resolves with `accepted`, or with the provider's reason for its refusal.
   */
  readonly copyRefreshToken: () => Promise<{ readonly redeem: () => Promise<string> }>;
  /** Names of the cookies in the jar, sorted. */
  readonly cookies: () => readonly string[];
}
