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
    // They end what hangs, and assert nothing: starting an app takes 20 s where 20 others are busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // Most tests wait for processes: one worker, which is what two cores get, leaves both idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Labs of tests use what was fetched before and fetch nothing.
    env: { LAB_DOWNLOADS: process.env.LAB_DOWNLOADS ?? "off" },
  },
}));
