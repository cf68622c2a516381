import { readdirSync } from "node:fs";
import { expect, test } from "playwright/test";
import { groups } from "../../scenarios/define.ts";
import { rootSpanName, traceService } from "../../scenarios/names.ts";
import { cardOf, promised, recordOf, spansOf } from "./evidence.ts";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";

const folder = new URL("../../scenarios/", import.meta.url);
const ids = groups.flatMap((group) =>
  filesIn(group)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => `${group}.${file.slice(0, -".ts".length)}`),
);

function filesIn(group: string): readonly string[] {
  try {
    return readdirSync(new URL(`${group}/`, folder));
  } catch {
    return [];
  }
}

test("there are scenarios to click", () => {
  expect(ids.length).toBeGreaterThanOrEqual(6);
});

for (const id of ids) {
  test(`${id}: one click leaves one trace from the page to where it breaks`, async ({
    page,
    request,
  }) => {
    const scenarios = scenariosPage(page);
    const run = runPage(page);
    const card = await cardOf(request, id);

    await scenarios.open();
    if (card.disabled !== null) {
      await expect(scenarios.card(id).run).toBeDisabled();
      await expect(scenarios.card(id).card).toContainText(card.disabled);
      test.skip(true, card.disabled);
    }
    await scenarios.card(id).run.click();
    await expect(page).toHaveURL(/\/runs\/[0-9a-z]{26}$/);
    // A real click, where a stage wants one; most want none.
    if (card.stage) {
      page
        .locator("[data-awaits-click]")
        .click({ timeout: 20_000 })
        .catch(() => {});
    }
    await run.finished();

    await expect(run.waterfall.roots).toHaveCount(1);
    await expect(run.waterfall.roots).toContainText(rootSpanName(id));
    await expect(run.waterfall.roots).toContainText(traceService.web);
    await expect(run.waterfall.row("(missing parent)")).toHaveCount(0);
    await expect(run.checks).toHaveCount((await recordOf(request, run.runId())).checks.length);

    const record = await recordOf(request, run.runId());
    // Some lose their trace on purpose, and say so.
    if (promised(card, "fault", "trace").some(({ traces }) => traces === 1)) {
      expect(record.traceIds).toHaveLength(1);
    }
    expect(record.checks.filter(({ state }) => state !== "pass")).toEqual([]);
    expect(record.verdict).toBe("pass");
    const spans = await spansOf(request, record.traceIds[0] ?? "");
    expect(spans.filter(({ parentSpanId }) => !parentSpanId)).toHaveLength(1);
    expect(spans.map(({ service }) => service)).toContain(traceService.server);
    const all = (
      await Promise.all(record.traceIds.slice(0, 20).map((traceId) => spansOf(request, traceId)))
    ).flat();
    for (const { select, why } of promised(card, "fault", "span")) {
      if (typeof select.name !== "string") continue;
      const named = all.filter(({ name }) => name === select.name);
      expect(named.length, `span ${select.name}: ${why}`).toBeGreaterThan(0);
    }

    const logs = promised(card, "fault", "log");
    if (logs.length > 0) {
      await expect(run.signal("Log")).toContainText(/\d (ms|s)$/);
      await run.tab("Logs").click();
    }
    for (const { service = traceService.server } of logs) {
      const lines = run.evidence.getByRole("listitem").filter({
        hasText: typeof service === "string" ? service : traceService.server,
      });
      await expect(lines.first()).toBeVisible();
    }
    const events = promised(card, "fault", "sentry").filter(({ item }) => item === "event");
    if (events.length > 0) {
      await expect(run.signal("Sentry event")).toContainText(/\d (ms|s)$/);
      await run.tab("Sentry").click();
      await expect(run.evidence.getByText("event", { exact: true }).first()).toBeVisible();
      await expect(run.evidence).toContainText(/mechanism/);
    }
  });
}

test("a parameter of the form is what the app does", async ({ page, request }) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  const card = scenarios.card("db.n-plus-one");
  await card.param("Customers").fill("30");
  await card.run.click();
  await run.finished();
  const { traceIds } = await recordOf(request, run.runId());
  const spans = await spansOf(request, traceIds[0] ?? "");
  expect(spans.filter(({ name }) => name === "SELECT orders")).toHaveLength(30);
});

test("a value outside its limits cannot be run, and the form says why", async ({ page }) => {
  const scenarios = scenariosPage(page);
  await scenarios.open();
  const card = scenarios.card("db.n-plus-one");
  await card.param("Customers").fill("15");
  await expect(card.card).toContainText("In steps of 10");
  await expect(card.run).toBeDisabled();
  await card.param("Customers").fill("20");
  await expect(card.run).toBeEnabled();
});

test("an error that no boundary holds reaches Sentry on the click's trace, and the page lives on", async ({
  page,
  request,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  const card = scenarios.card("ui.render-error");
  await card.param("Boundary around the component").selectOption("unguarded");
  await card.run.click();
  await run.finished();
  await expect(run.stage).not.toContainText("cannot be shown");
  await run.tab("Sentry").click();
  await expect(run.evidence).toContainText(
    "unhandled, mechanism auto.browser.global_handlers.onerror",
  );
  const { page: seen } = await recordOf(request, run.runId());
  expect(seen).toEqual({ boundary: "unguarded", shown: "nothing" });
  const broken = run.runId();
  await run.runAgain.click();
  await expect.poll(run.runId).not.toBe(broken);
  await run.finished();
});

test("the story opens from the card, has a URL of its own and closes with Escape", async ({
  page,
}) => {
  const scenarios = scenariosPage(page);
  await scenarios.open();
  await scenarios.card("db.n-plus-one").title.click();
  await expect(page).toHaveURL(/\/scenarios\/db\.n-plus-one$/);
  await expect(scenarios.story).toContainText("npm run lab -- run db.n-plus-one");
  await page.reload();
  await expect(scenarios.story).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(scenarios.story).toBeHidden();
  await expect(page).toHaveURL(/\/$/);
});
