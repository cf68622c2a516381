import { availableParallelism } from "node:os";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** The page (`web/`) and Vitest share one file. `LAB_PAGE_DIR` is where the build goes. */
export default defineConfig(({ mode }) => ({
  root: mode === "test" ? "." : "web",
  plugins: [svelte()],
  build: {
    outDir: process.env.LAB_PAGE_DIR ?? "../dist/page",
    emptyOutDir: true,
    // `default-src 'self'` refuses data: URLs.
    assetsInlineLimit: 0,
  },
  test: {
    include: ["{lab,server,scenarios,web}/**/*.test.ts"],
    testTimeout: 20_000,
    // One second, the default, is too short for a process on a busy machine.
    expect: { poll: { timeout: 10_000 } },
    // Most tests wait for processes: one worker, which is what two cores get, leaves both idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Labs of tests use what was fetched before and fetch nothing.
    env: { LAB_DOWNLOADS: process.env.LAB_DOWNLOADS ?? "off" },
  },
}));
