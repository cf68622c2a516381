import { expect, test } from "playwright/test";
import { recordOf } from "./evidence.ts";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";

test("a run whose root span is lost fails, and the check leads to the span that misses its parent", async ({
  page,
  request,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  // As a content blocker does it: the app's telemetry arrives, the page's own does not.
  await page.route("**/lab/ingest/v1/traces", (route) => route.abort());
  await scenarios.open();
  await scenarios.card("db.n-plus-one").param("Customers").fill("20");
  await scenarios.card("db.n-plus-one").run.click();
  await run.finished();

  await expect(run.sentence).toContainText(/Failed: 1 of \d+ checks/);
  const { verdict, checks } = await recordOf(request, run.runId());
  expect(verdict).toBe("fail");
  expect(checks.filter(({ state }) => state === "fail").map(({ signal }) => signal)).toEqual([
    "trace",
  ]);

  const failed = run.checks.filter({ has: page.getByRole("img", { name: "Fail" }) });
  await expect(failed).toHaveCount(1);
  await expect(failed).toContainText("0 root spans");
  await expect(failed).toContainText("1 orphan span");
  await expect(failed.getByRole("img", { name: "does not hold" })).toBeVisible();
  await expect(failed).toContainText("If it is missing:");
  await expect(failed.getByRole("button", { name: "Copy the query" })).toBeVisible();
  const answer = failed.getByRole("link", { name: /^Open/ });
  await expect(answer).toHaveAttribute("href", /^\/traces\?q=/);
  await failed.getByRole("button", { name: "POST /api/scenarios/:id" }).click();
  await expect(run.waterfall.span).toContainText("POST /api/scenarios/:id");
  await expect(page).toHaveURL(/span=[0-9a-f]{16}/);

  await scenarios.open();
  await expect(scenarios.card("db.n-plus-one").card).toContainText("Fail");
  await expect(
    scenarios
      .card("db.n-plus-one")
      .card.getByRole("link", { name: /^Fail, fault/ })
      .first(),
  ).toBeVisible();
});

test("a run of the fix passes what is expected of the fix alone, and leads to the other modes", async ({
  page,
  request,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  const card = scenarios.card("db.n-plus-one");
  await card.param("Customers").fill("20");
  await card.card.getByText("fix", { exact: true }).click();
  await card.run.click();
  await run.finished();
  await expect(run.sentence).toContainText(/Passed: (\d+) of \1 checks\./);
  const fix = run.runId();
  expect((await recordOf(request, fix)).mode).toBe("fix");

  await page.getByRole("button", { name: "Run control" }).click();
  await expect(page).not.toHaveURL(new RegExp(fix));
  await run.finished();
  expect(await recordOf(request, run.runId())).toMatchObject({
    mode: "control",
    params: { n: 20 },
  });
});
