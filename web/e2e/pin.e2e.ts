import { expect, test } from "playwright/test";
import type { StatusBody } from "../../lab/api/services.ts";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";
import { servicesPage } from "./pages/services-page.ts";

test("a run that is pinned stays so across a restart of the store, until it is unpinned", async ({
  page,
  request,
}) => {
  const scenarios = scenariosPage(page);
  const run = runPage(page);
  const services = servicesPage(page);
  const pin = page.getByRole("button", { name: "Pin", exact: true });
  const pinned = page.getByRole("button", { name: "Pinned", exact: true });
  const counted = page.getByText("Pinned runs").locator("xpath=following-sibling::dd");

  await scenarios.open();
  await scenarios.card("db.n-plus-one").run.click();
  await run.finished();
  const runId = run.runId();
  await pin.click();
  await expect(pinned).toHaveAttribute("aria-pressed", "true");

  await page.getByRole("link", { name: "Services" }).click();
  await expect(counted).toHaveText("1");
  const store = services.service("Telemetry store");
  const pidOf = async () => {
    const answer = await request.get("/lab/api/status");
    const { services: all } = (await answer.json()) as StatusBody;
    const { state, pid } = all.find(({ id }) => id === "store") ?? {};
    return state === "ready" ? pid : undefined;
  };
  const before = await pidOf();
  await store.action("Restart").click();
  await expect.poll(pidOf).not.toBe(before);
  await expect.poll(pidOf).toBeDefined();

  await page.goto(`/runs/${runId}`);
  await expect(pinned).toBeEnabled();
  await expect(run.waterfall.row("SELECT orders").first()).toBeVisible();
  await pinned.click();
  await expect(pin).toHaveAttribute("aria-pressed", "false");
  await page.reload();
  await expect(pin).toBeEnabled();
});
