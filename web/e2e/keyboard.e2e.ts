import { expect, test } from "playwright/test";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";

test("every page is one key away, and the help tells them", async ({ page }) => {
  await scenariosPage(page).open();
  await expect(page.getByRole("heading", { name: "Scenarios" })).toBeVisible();
  for (const [keys, heading] of [
    ["3", "Runs"],
    ["4", "Traces"],
    ["5", "Services"],
    ["1", "Scenarios"],
    ["gr", "Runs"],
    ["gs", "Scenarios"],
  ] as const) {
    for (const key of keys) await page.keyboard.press(key);
    await expect(page.getByRole("heading", { level: 1, name: heading })).toBeVisible();
  }
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("letters are text while somebody types", async ({ page }) => {
  const scenarios = scenariosPage(page);
  await scenarios.open();
  await page.keyboard.press("/");
  await expect(scenarios.search).toBeFocused();
  await page.keyboard.type("n+1 queries 3");
  await expect(scenarios.search).toHaveValue("n+1 queries 3");
  await expect(page).toHaveURL(/\/$/);
  await page.keyboard.press("Escape");
  await expect(scenarios.search).toHaveValue("");
});

test("a trace is read without a mouse, and the address follows", async ({ page }) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  const { tree, row, rows, span, equals, rowsWidth, search } = run.waterfall;
  await scenarios.open();
  await scenarios.card("db.n-plus-one").run.click();
  await run.finished();

  await tree.focus();
  const cursor = tree.getByRole("row", { selected: true });
  await expect(cursor).toContainText("scenario.run");
  await page.keyboard.press("j");
  await page.keyboard.press("ArrowDown");
  await expect(cursor).toContainText("POST /api/scenarios/:id");
  await expect(cursor).toHaveAttribute("aria-level", "3");
  await page.keyboard.press("h");
  await expect(cursor).toHaveAttribute("aria-expanded", "false");
  await expect(rows).toHaveCount(3);
  await page.keyboard.press("l");
  await expect(cursor).toHaveAttribute("aria-expanded", "true");

  await page.keyboard.press("End");
  await expect(cursor).toContainText("SELECT orders");
  await expect(cursor).toContainText("×50");
  await page.keyboard.press("Enter");
  await expect(equals).toContainText("Median");
  await page.keyboard.press("l");
  await page.keyboard.press("l");
  await expect(span).toContainText("db.query.text");
  await expect(cursor).toHaveAttribute("aria-level", "6");
  await page.reload();
  await expect(span).toContainText("SELECT orders");
  await expect(cursor).toHaveAttribute("aria-level", "6");
  await tree.focus();
  await page.keyboard.press("Escape");

  await page.keyboard.press("/");
  await expect(search).toBeFocused();
  await page.keyboard.type("SELECT customers");
  await page.keyboard.press("Enter");
  await expect(cursor).toContainText("SELECT customers");
  await tree.focus();
  await page.keyboard.press("Enter");
  await expect(span).toContainText("from");
  await expect(span).toContainText("db.query.text");
  await expect(page).toHaveURL(/[?&]span=[0-9a-f]{16}/);

  const before = (await span.boundingBox())?.width ?? 0;
  await rowsWidth.focus();
  for (let presses = 0; presses < 5; presses++) await page.keyboard.press("ArrowLeft");
  await expect
    .poll(async () => (await span.boundingBox())?.width ?? 0)
    .toBeGreaterThan(before + 40);
  const chosen = (await rowsWidth.getAttribute("aria-valuenow")) ?? "";

  await page.reload();
  await expect(span).toContainText("SELECT customers");
  await expect(rowsWidth).toHaveAttribute("aria-valuenow", chosen);
  await expect(row("SELECT customers")).toBeInViewport();
  await tree.focus();
  await page.keyboard.press("Escape");
  await expect(span).toBeHidden();
  await expect(page).not.toHaveURL(/span=/);
});

test("r runs the shown run again, with the same parameters", async ({ page }) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  await scenarios.card("db.n-plus-one").param("Customers").fill("20");
  await scenarios.card("db.n-plus-one").run.click();
  await run.finished();
  const first = run.runId();
  await page.keyboard.press("r");
  await expect.poll(run.runId).not.toBe(first);
  await run.finished();
  await expect(run.fact("Customers")).toHaveText("20 rows");
});
