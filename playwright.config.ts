import { defineConfig } from "playwright/test";
import { browserArguments } from "./lab/testing/browser.ts";

/** Journeys through the page of a real lab, which `lab/testing/journeys-setup.ts` starts. Run: `npm run e2e`. */
export default defineConfig({
  testDir: "web/e2e",
  testMatch: "*.e2e.ts",
  globalSetup: "./lab/testing/journeys-setup.ts",
  // One lab, two cores: journeys side by side would measure each other.
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  reporter: [["list"], ["./lab/testing/playwright-reporter.ts"]],
  // Only what hangs meets them: a busy machine is slow, and not wrong.
  timeout: 90_000,
  expect: { timeout: 15_000 },
  use: {
    baseURL: process.env.LAB_E2E_ORIGIN ?? "http://localhost:4700",
    screenshot: "only-on-failure",
    // Page and cache are the worker's, reset before each journey: a new browser window for each
    // costs a fourth of the journeys' time.
    reuseContext: true,
    // Snapshots show each step; a film of the page beside them takes more than the page itself.
    trace: { mode: "retain-on-failure", screenshots: false },
    launchOptions: {
      ...(process.env.LAB_CHROMIUM ? { executablePath: process.env.LAB_CHROMIUM } : {}),
      args: [...browserArguments],
    },
  },
});
