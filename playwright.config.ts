import { defineConfig } from "playwright/test";
import { browserArguments } from "./lab/testing/browser.ts";
import { labOfWorker } from "./lab/testing/journeys-lab.ts";

/** Journeys through the page of real labs, one for each worker, which `lab/testing/journeys-setup.ts` starts. Run: `npm run e2e`. */
export default defineConfig({
  testDir: "web/e2e",
  testMatch: "*.e2e.ts",
  globalSetup: "./lab/testing/journeys-setup.ts",
  // Half of a journey is waiting for a run to settle: two at a time use it, and share no lab.
  workers: 2,
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  reporter: [["list"], ["./lab/testing/playwright-reporter.ts"]],
  // Only what hangs meets them: a busy machine is slow, and not wrong.
  timeout: 90_000,
  expect: { timeout: 15_000 },
  use: {
    baseURL: labOfWorker()?.origin ?? "http://localhost:4700",
    screenshot: "only-on-failure",
    // Page and cache are the worker's, reset before each journey: a new browser window for each
    // costs a fourth of the journeys' time.
    reuseContext: true,
    // Each step and request of a journey that failed, beside a picture of its end. Snapshots of the
    // page at each step take a fourth of all time: `npm run e2e -- <journey> --trace on` has them.
    trace: { mode: "retain-on-failure", screenshots: false, snapshots: false },
    launchOptions: {
      ...(process.env.LAB_CHROMIUM ? { executablePath: process.env.LAB_CHROMIUM } : {}),
      args: [...browserArguments],
    },
  },
});
