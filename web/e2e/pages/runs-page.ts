import type { Locator, Page } from "playwright/test";

/** The list of all runs. */
export interface RunsPage {
  /** With filters as the address has them. */
  readonly open: (query?: string) => Promise<unknown>;
  readonly rows: Locator;
  /** How many are shown, and of how many. */
  readonly count: Locator;
  readonly filter: (group: "Mode" | "Verdict", choice: string) => Locator;
  readonly search: Locator;
}

export function runsPage(page: Page): RunsPage {
  return {
    open: (query = "") => page.goto(`/runs${query}`),
    rows: page.getByRole("row").filter({ has: page.getByRole("checkbox") }),
    count: page.locator("h1 + p"),
    filter: (group, choice) =>
      page.getByRole("group", { name: group }).getByText(choice, { exact: true }),
    search: page.getByRole("searchbox", { name: "Search runs" }),
  };
}
