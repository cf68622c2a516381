import type { Locator, Page } from "playwright/test";

/** The list of scenarios. */
export interface ScenariosPage {
  readonly open: () => Promise<void>;
  readonly search: Locator;
  readonly card: (scenarioId: string) => ScenarioCardPart;
  readonly cards: Locator;
  /** The open drawer with a scenario's story. */
  readonly story: Locator;
}

export interface ScenarioCardPart {
  readonly card: Locator;
  readonly title: Locator;
  readonly run: Locator;
  readonly mode: (name: string) => Locator;
  readonly param: (label: string) => Locator;
}

export function scenariosPage(page: Page): ScenariosPage {
  const cards = page.getByRole("article");
  return {
    open: async () => {
      await page.goto("/");
    },
    search: page.getByRole("searchbox", { name: "Search scenarios" }),
    cards,
    card: (scenarioId) => {
      const card = cards.filter({ has: page.getByText(scenarioId, { exact: true }) });
      return {
        card,
        title: card.getByRole("heading").getByRole("link"),
        run: card.getByRole("button", { name: /^Run / }),
        mode: (name) => card.getByText(name, { exact: true }),
        param: (label) => card.getByLabel(label),
      };
    },
    story: page.getByRole("dialog"),
  };
}
