import { expect, test } from "playwright/test";
import { routes } from "../../lab/api/routes.ts";
import { recordOf } from "./evidence.ts";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";

test("a query per item is pointed out, and leads to its span; the fix stands beside it", async ({
  page,
  request,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  await scenarios.open();
  const card = scenarios.card("db.n-plus-one");
  await card.param("Customers").fill("30");
  await card.run.click();
  await run.finished();
  const fault = run.runId();

  // What comes late changes the record of the run, and leaves open what somebody has opened.
  const check = run.checks.filter({ hasText: "exactly 30 spans" });
  await check.locator("summary").click();
  const { counts, traceIds } = await recordOf(request, fault);
  const late = { traceId: traceIds[0], severityNumber: 9, body: { stringValue: "late" } };
  await request.post(routes.ingestLogs, {
    data: { resourceLogs: [{ scopeLogs: [{ logRecords: [late] }] }] },
  });
  const logsNow = async () => (await recordOf(request, fault)).counts.logs;
  await expect.poll(logsNow).toBeGreaterThan(counts.logs);
  await expect(run.tab("Logs")).toContainText(String(await logsNow()));
  const itsSpans = check.getByRole("button", { name: "Show its 30 spans" });
  await expect(itsSpans).toBeVisible();

  await run.tab("Explain").click();
  const insight = run.evidence.getByRole("listitem").filter({ hasText: /times SELECT orders/ });
  await expect(insight).toContainText(/30 times SELECT orders/);
  await insight.getByRole("button").first().click();
  await expect(run.waterfall.span).toContainText("SELECT orders");
  await expect(page).toHaveURL(/span=[0-9a-f]{16}/);

  await expect(run.signal("Metric")).toContainText(/\d (ms|s)$/);
  await run.tab("Metrics").click();
  const metric = run.evidence
    .getByRole("listitem")
    .filter({ hasText: /duration_seconds_count.*db_collection_name="orders"/s });
  await expect(metric).toContainText("+30");
  await metric.getByRole("button", { name: /^exemplar/ }).click();
  await expect(run.waterfall.span).toContainText("SELECT orders");

  // From a check to its spans, and from a span to its checks.
  await itsSpans.click();
  await expect(page.getByRole("status").filter({ hasText: "1/30" })).toBeVisible();
  await run.waterfall.span.getByRole("button", { name: /exactly 30 spans/ }).click();
  await expect(check.locator("summary")).toBeFocused();

  await scenarios.open();
  await card.mode("fix").click();
  await card.run.click();
  await run.finished();
  const fix = run.runId();
  await page.getByLabel("Compare with another run").selectOption(fault);
  await expect(page).toHaveURL(`/compare/${fix}/${fault}`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Two runs side by side");
  await expect(page.getByRole("columnheader").filter({ hasText: /fix|fault/ })).toHaveCount(2);
  const operations = page.getByRole("table", { name: "Operations of both runs" });
  const queries = operations.getByRole("row").filter({ hasText: "SELECT orders" });
  await expect(queries).toHaveText(/30\s+×.*added/s);
  await page.getByRole("link", { name: "fault", exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`/runs/${fault}$`));
});

test("traces are found with TraceQL, completed as one types, and the address keeps the query", async ({
  page,
}) => {
  // The page's own loading is a trace: once it is stored, its service is among what is offered.
  const stored = page.waitForResponse(`**${routes.ingestTraces}`);
  await page.goto("/traces");
  await stored;
  const box = page.getByRole("combobox", { name: "TraceQL query or trace id" });
  await expect(box).toHaveValue("{ span.lab.run.id != nil }");
  await box.fill("{ resource.service.na");
  await page.getByRole("option", { name: "resource.service.name", exact: true }).click();
  await box.pressSequentially('= "lab-w');
  await expect(page.getByRole("option", { name: '"lab-web"' })).toBeVisible();
  await box.press("ArrowDown");
  await box.press("Enter");
  await expect(box).toHaveValue('{ resource.service.name = "lab-web"');
  await box.pressSequentially(" }");
  await box.press("Enter");
  await expect(page).toHaveURL(/\/traces\?q=.*lab-web/);
  const found = page.getByRole("table", { name: "Traces found" });
  await expect(found.getByRole("link").first()).toBeVisible();
  await expect(page.getByLabel("Service", { exact: true })).toHaveValue("lab-web");

  await page.getByLabel("Duration of the trace").selectOption("1s");
  await expect(box).toHaveValue(/traceDuration >= 1s }$/);
  await page.goBack();
  await expect(box).toHaveValue('{ resource.service.name = "lab-web" }');
  await found.getByRole("link").first().click();
  await expect(
    page.getByRole("treegrid", { name: "Spans" }).getByRole("row").first(),
  ).toBeVisible();

  await page.goto(`/traces?q=${encodeURIComponent("{ name = }")}`);
  await expect(page.getByRole("alert")).toContainText("line 1, column 10");
});
