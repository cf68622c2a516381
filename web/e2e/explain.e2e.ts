import { expect, test } from "playwright/test";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";

test("a query per item is pointed out, and leads to its span; the fix stands beside it", async ({
  page,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  const card = scenarios.card("db.n-plus-one");
  await card.param("Customers").fill("30");
  await card.run.click();
  await run.finished();
  const fault = run.runId();

  await run.tab("Explain").click();
  const insight = run.evidence.getByRole("listitem").filter({ hasText: /times SELECT orders/ });
  await expect(insight).toContainText(/30 times SELECT orders/);
  await insight.getByRole("button").first().click();
  await expect(run.waterfall.span).toContainText("SELECT orders");
  await expect(page).toHaveURL(/span=[0-9a-f]{16}/);

  await scenarios.open();
  await card.mode("fix").click();
  await card.run.click();
  await run.finished();
  const fix = run.runId();
  await page.getByLabel("Compare with another run").selectOption(fault);
  await expect(page).toHaveURL(`/compare/${fix}/${fault}`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Two runs side by side");
  await expect(page.getByRole("columnheader").filter({ hasText: /fix|fault/ })).toHaveCount(2);
  const queries = page.getByRole("row").filter({ hasText: "SELECT orders" });
  await expect(queries.first()).toContainText("30");
  await page.getByRole("link", { name: "fault", exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`/runs/${fault}$`));
});
