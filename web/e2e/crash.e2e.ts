import { expect, test } from "playwright/test";
import { createRun, endRun, recordOf, spansOf } from "./evidence.ts";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";
import { servicesPage } from "./pages/services-page.ts";

test("a crash of the app leaves its evidence, the dashboard alive and the app running again", async ({
  page,
  request,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));

  await scenarios.open();
  await scenarios.card("run.uncaught-crash").run.click();
  await run.finished();
  const broken = run.waterfall.row("scenario run.uncaught-crash");
  await expect(broken.getByRole("img", { name: "failed" })).toBeVisible();

  const { restarts, traceIds } = await recordOf(request, run.runId());
  expect(restarts.server).toBe(1);
  const crashed = (await spansOf(request, traceIds[0] ?? "")).filter(({ attributes = [] }) =>
    attributes.some(({ key, value }) => key === "lab.crashed" && value?.boolValue === true),
  );
  expect(crashed.length).toBeGreaterThan(0);
  await run.tab("Sentry").click();
  await expect(run.evidence).toContainText("unhandled, mechanism auto.node.");

  const services = servicesPage(page);
  await services.open();
  await expect(services.service("Shop server").row).toContainText("Ready");
  await scenarios.open();
  await scenarios.card("db.n-plus-one").run.click();
  await run.finished();
  await expect(run.waterfall.row("SELECT customers")).toBeVisible();
  expect(errors).toEqual([]);
});

test("a click on what would take another run down waits until that one has ended", async ({
  page,
  request,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  const { runId } = await createRun(request, { scenario: "run.handled-error" });
  await scenarios.card("run.uncaught-crash").run.click();
  await expect(scenarios.card("run.uncaught-crash").card).toContainText("Waits for another run");
  await endRun(request, runId);
  await run.finished();
  expect(run.runId()).not.toBe(runId);
});

test("the page stays usable while the app restarts", async ({ page }) => {
  const services = servicesPage(page);
  const scenarios = scenariosPage(page);
  await services.open();
  const server = services.service("Shop server");
  await expect(server.row).toContainText("Ready");
  await server.action("Stop").click();
  await expect(server.row).toContainText("Stopped");

  await page.getByRole("link", { name: "Scenarios" }).click();
  await expect(page.getByText("Not ready:")).toBeVisible();
  await scenarios.search.fill("plus");
  await expect(scenarios.cards).toHaveCount(1);
  await scenarios.card("db.n-plus-one").title.click();
  await expect(scenarios.story).toBeVisible();
  await page.keyboard.press("Escape");

  await page.getByRole("link", { name: "Services" }).click();
  await server.action("Start").click();
  // A start of the whole app: on a busy machine it takes longer than a look at the page.
  await expect(server.row).toContainText("Ready", { timeout: 60_000 });
  await expect(page.getByText("Not ready:")).toBeHidden();
  await page.getByRole("link", { name: "Scenarios" }).click();
  await scenarios.card("db.n-plus-one").run.click();
  await runPage(page).finished();
});

test("a service's log can be read where it runs", async ({ page, request }) => {
  const services = servicesPage(page);
  await services.open();
  const server = services.service("Shop server");
  await server.action("Log").click();
  // A line that comes while it is read: earlier ones may be out of sight.
  const refused = await request.get("/auth/callback?code=x&state=y", { maxRedirects: 0 });
  const traceId = refused.headers().traceresponse?.split("-")[1] ?? "no trace";
  await expect(server.log).toContainText(traceId);
});
