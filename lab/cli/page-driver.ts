import type { Browser, Page } from "playwright";
import { routes } from "#lab/api/routes.ts";
import type { CreatedRun, CreateRun } from "#lab/api/run-request.ts";
import { LabError } from "#lab/errors.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { browserArguments, findBrowser } from "#lab/testing/browser.ts";
import { credentials, type LabAddress } from "./running-lab.ts";

/** A busy machine takes most of it to start the browser. */
const pageTimeoutMs = 30_000;
/** For a stage that asks for a click; the page is closed before when the run is over. */
const clickWithinMs = 30_000;

/** A run that a page in a headless browser drives. */
export interface PageRun {
  readonly runId: string;
  readonly close: () => Promise<void>;
}

/**
 * Opens the scenario in a headless browser, by the link that fills its form with `order`, and
 * clicks Run. The request carries `order` as it is: a link leaves out what the form would refuse,
 * and the lab has to hear of it. `onCreated` is awaited before the page learns that the run exists.
 * @throws LabError `no-browser`, `page-did-not-run`, or the lab's refusal as the page got it.
 */
export async function driveInPage(
  lab: LabAddress,
  order: CreateRun,
  env: Env,
  onCreated: (runId: string) => Promise<void>,
): Promise<PageRun> {
  const executablePath = await findBrowser(env);
  if (executablePath === undefined) {
    throw new LabError("no-browser", `${order.scenario} happens in the browser; none was found.`, {
      hint: "Install Chromium or Chrome, or set LAB_CHROMIUM to the path of one; npm run e2e tries to fetch one.",
    });
  }
  const { chromium } = await import("playwright");
  const browser = await chromium.launch({ executablePath, args: [...browserArguments] });
  try {
    const page = await browser.newPage({
      baseURL: lab.origin,
      // The page asks nobody but the lab: its Content-Security-Policy sees to that.
      extraHTTPHeaders: { ...credentials(lab) },
    });
    const runId = await clickRun(page, order, onCreated);
    // A real input: what a script dispatches is no interaction to the browser. Most stages want none.
    page
      .locator("[data-awaits-click]")
      .click({ timeout: clickWithinMs })
      .catch(() => {});
    return { runId, close: () => browser.close() };
  } catch (error) {
    await closeQuietly(browser);
    if (error instanceof LabError) throw error;
    throw new LabError("page-did-not-run", `The page did not start ${order.scenario}.`, {
      hint: `Open ${lab.origin} and run it there; npm run lab -- status shows how the lab is.`,
      cause: error,
    });
  }
}

async function clickRun(
  page: Page,
  order: CreateRun,
  onCreated: (runId: string) => Promise<void>,
): Promise<string> {
  const { promise: created, resolve, reject } = Promise.withResolvers<string>();
  await page.route(`**${routes.runs}`, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    // The page drives: the run lasts as long as its stream.
    const { client } = JSON.parse(route.request().postData() ?? "{}") as CreateRun;
    const response = await route.fetch({
      postData: JSON.stringify({ ...order, client }),
      timeout: (order.waitMs ?? 0) + pageTimeoutMs,
    });
    const text = await response.text();
    if (response.ok()) {
      const { runId } = JSON.parse(text) as CreatedRun;
      await onCreated(runId);
      resolve(runId);
    } else {
      const { code, message, hint } = JSON.parse(text).error;
      reject(new LabError(code, message, { hint }));
    }
    await route.fulfill({ response });
  });
  // A refusal may come before anybody waits for it.
  created.catch(() => {});
  await page.goto(linkTo(order), { timeout: pageTimeoutMs });
  const run = page.getByRole("dialog").getByRole("button", { name: /^Run in mode / });
  await run.click({ timeout: pageTimeoutMs });
  return created;
}

/** The page's own link to a scenario with its form filled in. */
function linkTo({ scenario, mode = "fault", params = {} }: CreateRun): string {
  const values = Object.entries(params).map(([name, value]) => [`param.${name}`, String(value)]);
  const query = new URLSearchParams([["mode", mode], ...values]);
  return `/scenarios/${encodeURIComponent(scenario)}?${query}`;
}

async function closeQuietly(browser: Browser): Promise<void> {
  await browser.close().catch(() => {});
}
