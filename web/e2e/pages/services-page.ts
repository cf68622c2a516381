import type { Locator, Page } from "playwright/test";

/** The table of services. */
export interface ServicesPage {
  readonly open: () => Promise<void>;
  readonly service: (title: string) => ServicePart;
}

export interface ServicePart {
  readonly row: Locator;
  readonly action: (name: "Start" | "Stop" | "Restart" | "Log") => Locator;
  readonly log: Locator;
}

export function servicesPage(page: Page): ServicesPage {
  return {
    open: async () => {
      await page.goto("/services");
    },
    service: (title) => {
      const row = page.getByRole("article", { name: title });
      return {
        row,
        action: (name) => row.getByRole("button", { name, exact: true }),
        log: row.getByRole("log"),
      };
    },
  };
}
