/** `GET` {@link routes.account}: how to sign in at the lab's identity provider. */
export interface AccountBody {
  readonly username: string;
  /** Of this clone alone, and good for nothing else. */
  readonly password: string;
}
/** `GET /api/me`, answered by the app. */
export interface MeBody {
  /** Null when nobody is signed in. */
  readonly user: {
    readonly id: string;
    readonly username: string;
    readonly name: string;
    readonly email: string;
  } | null;
  readonly session: { readonly since: number; readonly endsAt: number } | null;
  /** Who is signed in cannot be told: Valkey does not answer. */
  readonly degraded: "sessions" | null;
}
/** Answer of `POST` {@link routes.links}. */
export interface LinkBody {
  /** Where to send a person: the lab's origin, or with `--token` a new link that works once. */
  readonly link: string;
}
