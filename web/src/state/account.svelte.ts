import type { AccountBody, MeBody } from "#lab/api/account.ts";
import { routes } from "#lab/api/routes.ts";
import { type Apology, apologyOf, getJson } from "./api.ts";
import { hrefOf } from "./location.ts";
import { router } from "./router.svelte.ts";
import { outcomeOf, type SignInOutcome } from "./sign-in-outcome.ts";

/** Who is signed in, as far as the app can tell. */
export class Account {
  /** Undefined until the app has answered. */
  me = $state.raw<MeBody>();
  /** The lab's throw-away user, once somebody wanted to see it. */
  seeded = $state.raw<AccountBody>();
  /** Why the app could not be asked; what was known before stays. */
  problem = $state.raw<Apology>();
  /** How a sign-in ended that did not work. */
  outcome = $state.raw<SignInOutcome>();

  readonly signInHref = $derived(
    `/auth/login?returnTo=${encodeURIComponent(hrefOf(router.place))}`,
  );
  readonly initials = $derived(
    (this.me?.user?.name ?? "")
      .split(/\s+/)
      .map((word) => word.slice(0, 1))
      .slice(0, 2)
      .join("")
      .toUpperCase(),
  );

  /** Reads how the last sign-in ended from the address, and takes it out of there. */
  arrive(): void {
    const outcome = outcomeOf(location.hash);
    if (outcome === undefined) return;
    this.outcome = outcome;
    history.replaceState(history.state, "", location.pathname + location.search);
  }

  async refresh(): Promise<void> {
    try {
      this.me = await getJson<MeBody>("/api/me");
      this.problem = undefined;
    } catch (error) {
      this.problem = apologyOf(error);
    }
  }

  async showSeeded(): Promise<void> {
    try {
      this.seeded ??= await getJson<AccountBody>(routes.account);
    } catch (error) {
      this.problem = apologyOf(error);
    }
  }
}

/** The one account of the page. */
export const account = new Account();
