/** What to tell somebody whose sign-in or sign-out did not go as it should. */
export interface SignInOutcome {
  readonly message: string;
  readonly hint: string;
}

const outcomes = new Map<string, SignInOutcome>([
  [
    "refused",
    {
      message: "The sign-in was refused.",
      hint: "It did not fit what was begun here. Sign in again.",
    },
  ],
  [
    "denied",
    {
      message: "You did not sign in.",
      hint: "The identity provider says that you refused. You can sign in at any time.",
    },
  ],
  [
    "identity-provider-unavailable",
    {
      message: "Nobody can sign in at the moment.",
      hint: "The identity provider does not answer; who is signed in stays so. Services shows its state.",
    },
  ],
  [
    "sessions-unavailable",
    {
      message: "Nobody can sign in at the moment.",
      hint: "Valkey, which keeps the sessions, does not answer. Services shows its state.",
    },
  ],
  [
    "signed-out-here-only",
    {
      message: "You are signed out of the shop, but not of the identity provider.",
      hint: "It does not answer. Its own session ends by itself.",
    },
  ],
]);

/** @param hash fragment of the address, as the app's redirects leave it: `#sign-in=refused`. */
export const outcomeOf = (hash: string): SignInOutcome | undefined =>
  outcomes.get(/^#sign-in=([a-z-]+)$/.exec(hash)?.[1] ?? "");
