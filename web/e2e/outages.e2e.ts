import { expect, type Page, test } from "playwright/test";
import { recordOf } from "./evidence.ts";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";
import { servicesPage } from "./pages/services-page.ts";

interface Outage {
  readonly id: string;
  readonly start: (page: Page) => Promise<void>;
}

/** Each breaks something that the page or its visitors need, for as long as it takes to look around. */
const outages: readonly Outage[] = [
  {
    id: "cache.down-fallback",
    start: async (page) => {
      const card = scenariosPage(page).card("cache.down-fallback");
      await card.param("What happens to Valkey").selectOption("hangs");
      await card.param("For").fill("6000");
      await card.run.click();
    },
  },
  {
    id: "auth.idp-down",
    start: async (page) => {
      const card = scenariosPage(page).card("auth.idp-down");
      await card.param("How it is away").selectOption("never answers");
      await card.param("Clicks on Sign in").fill("4");
      await card.run.click();
    },
  },
  {
    id: "run.uncaught-crash",
    start: async (page) => {
      const card = scenariosPage(page).card("run.uncaught-crash");
      await card.param("After").fill("2000");
      await card.run.click();
    },
  },
];

for (const { id, start } of outages) {
  test(`the dashboard stays usable during ${id}`, async ({ page, request }) => {
    const errors: string[] = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    const scenarios = scenariosPage(page);
    const run = runPage(page);
    const services = servicesPage(page);

    await scenarios.open();
    await start(page);
    await expect(page).toHaveURL(/\/runs\/[0-9a-z]{26}$/);
    const broken = run.runId();

    const { state } = await recordOf(request, broken);
    expect(["driving", "settling"], "the run goes on").toContain(state);

    // From here on each view answers sooner than the outage ends, or says what is missing.
    const soon = { timeout: 5_000 };
    await page.getByRole("link", { name: "Services" }).click();
    await expect(services.service("Shop server").row).toBeVisible(soon);
    await page.getByRole("link", { name: "Scenarios" }).click();
    await scenarios.search.fill("plus");
    await expect(scenarios.cards).toHaveCount(1, soon);
    await scenarios.card("db.n-plus-one").title.click();
    await expect(scenarios.story).toBeVisible(soon);
    await page.keyboard.press("Escape");
    await expect(scenarios.story).toBeHidden(soon);
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await expect(page.locator(`a[href="/runs/${broken}"]`).first()).toBeVisible(soon);

    // Another scenario starts meanwhile, or as soon as what it needs is free again.
    await page.getByRole("link", { name: "Scenarios" }).click();
    await scenarios.card("db.n-plus-one").run.click();
    await expect(page).toHaveURL(/\/runs\/[0-9a-z]{26}$/, { timeout: 25_000 });
    expect(run.runId()).not.toBe(broken);
    await run.finished();
    await expect(run.sentence).toContainText("Pass");

    // Not by its address: the page that drives a run has to stay loaded.
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await page.locator(`a[href="/runs/${broken}"]`).first().click();
    await expect(page).toHaveURL(`/runs/${broken}`);
    await run.finished();
    await expect(run.sentence).toContainText("Pass");
    expect(errors).toEqual([]);
  });
}

test("a run whose page is closed in the middle is abandoned, and what it broke is whole again", async ({
  browser,
  page,
  request,
  baseURL,
}) => {
  const visitor = await browser.newContext(baseURL === undefined ? {} : { baseURL });
  const driving = await visitor.newPage();
  await scenariosPage(driving).open();
  const card = scenariosPage(driving).card("pipe.collector-down");
  await card.param("Outage").fill("60");
  await card.run.click();
  await expect(driving).toHaveURL(/\/runs\/[0-9a-z]{26}$/);
  const left = runPage(driving).runId();

  // Whoever only looks, and looks anew, neither keeps the run nor ends it.
  const run = runPage(page);
  await page.goto(`/runs/${left}`);
  await page.reload();
  await expect(run.sentence).toContainText("Telemetry is coming in");
  await visitor.close();
  await expect(run.sentence).toContainText("Abandoned", { timeout: 40_000 });
  expect(await recordOf(request, left)).toMatchObject({ state: "abandoned", driver: null });
});
