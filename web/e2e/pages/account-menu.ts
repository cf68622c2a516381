import type { Locator, Page } from "playwright/test";

/** The menu of who is signed in, and the identity provider's page behind it. */
export interface AccountMenu {
  readonly toggle: Locator;
  readonly menu: Locator;
  readonly signIn: Locator;
  readonly signOut: Locator;
  readonly provider: {
    readonly username: Locator;
    readonly password: Locator;
    readonly submit: Locator;
    readonly problem: Locator;
  };
  /** From any view, through the provider and back. */
  readonly passSignIn: () => Promise<void>;
}

export function accountMenu(page: Page): AccountMenu {
  const toggle = page.getByRole("button", { name: /^Account/ });
  const menu = page.locator("#account");
  const signIn = menu.getByRole("link", { name: "Sign in" });
  // Keycloak's own ids: the journey is the same with the real program.
  const provider = {
    username: page.locator("#username"),
    password: page.locator("#password"),
    submit: page.locator("#kc-login"),
    // The stand-in's is below the title, Keycloak's is beside a field.
    problem: page.locator("#input-error, #input-error-username"),
  };
  return {
    toggle,
    menu,
    signIn,
    signOut: menu.getByRole("link", { name: "Sign out" }),
    provider,
    passSignIn: async () => {
      await toggle.click();
      const username = await menu.locator("code").nth(0).textContent();
      const password = await menu.locator("code").nth(1).textContent();
      await signIn.click();
      await provider.username.fill(username ?? "");
      await provider.password.fill(password ?? "");
      await provider.submit.click();
    },
  };
}
