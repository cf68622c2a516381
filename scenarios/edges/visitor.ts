/** Somebody who uses the app over HTTP, with a cookie jar of their own. */
export interface Visitor {
  /** Sends a request to the app, `traceparent` included. Redirects are not followed. `path` starts with `/`. */
  readonly http: (path: string, init?: RequestInit) => Promise<Response>;
  /** Signs in at the identity provider as the lab's seeded user. */
  readonly signIn: () => Promise<void>;
  readonly signOut: () => Promise<void>;
  /** Names of the cookies in the jar, sorted. */
  readonly cookies: () => readonly string[];
}
