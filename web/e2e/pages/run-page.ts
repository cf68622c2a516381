import { expect, type Locator, type Page } from "playwright/test";

/** One run with its evidence. */
export interface RunPage {
  readonly sentence: Locator;
  /** Waits until the run has a verdict. */
  readonly finished: () => Promise<void>;
  readonly runId: () => string;
  readonly runAgain: Locator;
  /** Value of a fact in the head, by its label. */
  readonly fact: (label: string) => Locator;
  readonly signal: (title: string) => Locator;
  readonly checks: Locator;
  readonly stage: Locator;
  readonly waterfall: Waterfall;
  readonly tab: (name: string) => Locator;
  readonly evidence: Locator;
}

export interface Waterfall {
  readonly tree: Locator;
  readonly rows: Locator;
  readonly row: (name: string | RegExp) => Locator;
  readonly roots: Locator;
  readonly search: Locator;
  /** Details of the selected span. */
  readonly span: Locator;
  /** What many equal spans come to, where their row is selected. */
  readonly equals: Locator;
  /** The line between the rows and the details. */
  readonly rowsWidth: Locator;
}

export function runPage(page: Page): RunPage {
  return {
    sentence: page.getByRole("heading", { level: 1 }),
    finished: () =>
      expect(page.getByRole("heading", { level: 1 })).toHaveText(
        /^\s*(Pass|Fail|Inconclusive|Not applicable)/,
        { timeout: 45_000 },
      ),
    runId: () => new URL(page.url()).pathname.split("/").at(-1) ?? "",
    runAgain: page.getByRole("button", { name: "Run again" }),
    fact: (label) => page.getByText(label, { exact: true }).locator("xpath=following-sibling::dd"),
    signal: (title) =>
      page
        .getByRole("list", { name: /^Signals of this run/ })
        .getByRole("listitem")
        .filter({ hasText: title }),
    checks: page.getByRole("list", { name: "Checks" }).locator("> li"),
    stage: page.getByRole("region", { name: "Stage" }),
    waterfall: waterfall(page),
    tab: (name) => page.getByRole("tab", { name: new RegExp(`^${name}`) }),
    evidence: page.getByRole("tabpanel"),
  };
}

function waterfall(page: Page): Waterfall {
  const tree = page.getByRole("treegrid", { name: "Spans" });
  return {
    tree,
    rows: tree.getByRole("row"),
    row: (name) => tree.getByRole("row").filter({ hasText: name }),
    roots: tree.getByRole("row", { level: 1 }),
    search: page.getByRole("searchbox", { name: /^Search spans/ }),
    span: page.getByRole("complementary", { name: "Span", exact: true }),
    equals: page.getByRole("complementary", { name: "Equal spans" }),
    rowsWidth: page.getByRole("separator", { name: "Width of the rows" }),
  };
}
