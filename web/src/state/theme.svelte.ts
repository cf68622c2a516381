import { keep, kept } from "./kept.ts";

/** `system` follows the machine. */
export type ThemeChoice = "system" | "light" | "dark";

const key = "lab.theme";
const choices: readonly string[] = ["system", "light", "dark"];

/** Light or dark: the user's choice, kept on this machine, or the system's. */
export class Theme {
  choice = $state<ThemeChoice>(stored());
  #systemDark = $state(false);

  /** Theme that is really shown. */
  readonly shown = $derived(
    this.choice === "system" ? (this.#systemDark ? "dark" : "light") : this.choice,
  );

  /** Applies the choice to the document and follows the system from now on. */
  start(): void {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    this.#systemDark = dark.matches;
    dark.addEventListener("change", ({ matches }) => {
      this.#systemDark = matches;
    });
    this.set(this.choice);
  }

  set(choice: ThemeChoice): void {
    this.choice = choice;
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    keep(key, choice);
  }

  /** System → light → dark → system. */
  next(): void {
    this.set(this.choice === "system" ? "light" : this.choice === "light" ? "dark" : "system");
  }
}

function stored(): ThemeChoice {
  const choice = kept(key);
  return choice !== null && choices.includes(choice) ? (choice as ThemeChoice) : "system";
}

/** The one theme of the page. */
export const theme = new Theme();
