import { expect, type Page, test } from "playwright/test";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";

const ground = (page: Page) =>
  page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");

test("follows the system's theme, and keeps the one that was chosen", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await scenariosPage(page).open();
  const light = await ground(page);
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground(page);
  expect(dark).not.toBe(light);

  await page.getByRole("button", { name: "Theme: system" }).click();
  await expect(page.getByRole("button", { name: "Theme: light" })).toBeVisible();
  expect(await ground(page)).toBe(light);
  await page.reload();
  await expect(page.getByRole("button", { name: "Theme: light" })).toBeVisible();
  expect(await ground(page)).toBe(light);
});

for (const width of [390, 1280]) {
  test(`no view is wider than ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 844 });
    const scenarios = scenariosPage(page);
    const run = runPage(page);
    await scenarios.open();
    await scenarios.card("run.handled-error").run.click();
    await run.finished();
    await run.tab("Sentry").click();
    await expect(run.waterfall.roots).toHaveCount(1);
    await run.waterfall.roots.click();
    await expect(run.waterfall.span).toBeVisible();
    const trace = `${new URL(page.url()).pathname}${new URL(page.url()).search}`;
    for (const path of [
      trace,
      "/",
      "/scenarios/run.handled-error",
      "/runs",
      "/traces",
      "/services",
    ]) {
      await page.goto(path);
      await expect(page.getByRole("heading").first()).toBeVisible();
      const tooWide = await page.evaluate<number>(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(tooWide, path).toBeLessThanOrEqual(0);
    }
  });
}

test("nothing is loaded from elsewhere, and nothing is refused by the page's own policy", async ({
  page,
  baseURL,
}) => {
  const foreign: string[] = [];
  const refused: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${baseURL}/`)) foreign.push(request.url());
  });
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) refused.push(message.text());
  });
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  await scenarios.card("ui.render-error").run.click();
  await run.finished();
  await page.goto("/services");
  await expect(page.getByRole("heading", { name: "Services" })).toBeVisible();
  expect(foreign).toEqual([]);
  expect(refused).toEqual([]);
});
