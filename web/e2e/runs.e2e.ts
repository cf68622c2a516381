import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "playwright/test";
import type { RunRecord } from "../../lab/api/runs.ts";
import { labOfWorker } from "../../lab/testing/journeys-lab.ts";
import { runsPage } from "./pages/runs-page.ts";

const many = 230;
/** Of a lab of long ago: before every run of these journeys. */
const old = (at: number): RunRecord => ({
  ...{ runId: String(at).padStart(26, "0"), scenario: "db.long-ago" },
  ...{ mode: "fault", params: {}, seed: 1, state: "settled", driver: "lab-cli", traceIds: [] },
  ...{ answer: null, page: {}, counts: { spans: 1, logs: 0, sentry: 0 }, signals: [] },
  ...{ restarts: {}, exitCodes: {}, verdict: at % 115 === 0 ? "fail" : "pass", checks: [] },
  ...{ links: [], startedAt: at * 60_000, endedAt: at * 60_000 + 5 },
});

test("every run that is kept can be reached: by going down the list, by filters, by an address", async ({
  page,
}) => {
  const runs = runsPage(page);
  const lab = labOfWorker();
  if (lab === undefined) throw new Error("no lab was started for this worker");
  const kept = new DatabaseSync(join(lab.dir, "runs.db"));
  kept.exec("PRAGMA busy_timeout = 5000");
  const save = kept.prepare(
    "INSERT OR REPLACE INTO runs (run_id, scenario, state, record) VALUES (?, ?, ?, ?)",
  );
  try {
    kept.exec("BEGIN");
    for (let at = 0; at < many; at++) {
      const one = old(at);
      save.run(one.runId, one.scenario, one.state, JSON.stringify(one));
    }
    kept.exec("COMMIT");

    await runs.open();
    await expect(runs.count).toHaveText(/^\s*100\s+of \d+ runs\s*$/);
    await expect(runs.rows).toHaveCount(100);
    await expect(async () => {
      await runs.rows.last().scrollIntoViewIfNeeded();
      expect(await runs.rows.count()).toBeGreaterThanOrEqual(many);
      await expect(runs.rows.last()).toContainText("db.long-ago", { timeout: 100 });
    }).toPass();
    await expect(runs.count).toHaveText(/^\s*\d+ runs\s*$/);

    await runs.open("?q=long-ago");
    await runs.filter("Verdict", "fail").click();
    await expect(runs.count).toHaveText(/^\s*2 runs\s*$/);
    await expect(page).toHaveURL(/\?q=long-ago&verdict=fail$/);
    await runs.filter("Mode", "fix").click();
    await expect(page.getByText("No run matches")).toBeVisible();
  } finally {
    kept.exec("DELETE FROM runs WHERE scenario = 'db.long-ago'");
    kept.close();
  }
});
