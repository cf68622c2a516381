import { chromium, type Page } from "playwright";
import { findBrowser } from "../testing/browser.ts";
import type { Benchmark } from "./benchmark.ts";
import { startLab } from "./lab-under-test.ts";
import { digits, percentile } from "./statistics.ts";

const rounds = 40;
const spansOf = (text: string): number =>
  Number(/([\d,]+) spans/.exec(text)?.[1]?.replace(",", ""));

/** From the click on Run to the frame that shows the whole waterfall, in headless Chromium with software drawing. */
export const clickBenchmark: Benchmark = {
  id: "click",
  title: "Click on Run → waterfall painted (db.n-plus-one, 50 items)",
  run: async () => {
    const executablePath = await findBrowser(process.env);
    if (executablePath === undefined) throw new Error("no Chromium found; set LAB_CHROMIUM");
    await using lab = await startLab();
    const browser = await chromium.launch({
      executablePath,
      args: [
        "--disable-background-networking",
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ],
    });
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
      const whole = await wholeWaterfall(page, lab.origin);
      const painted: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        painted.push(await clickToPaint(page, lab.origin, whole));
      }
      return [50, 95].map((p) => ({
        what: `p${p}, all ${whole} spans`,
        value: `${digits(percentile(painted, p))} ms`,
        ...(p === 95 ? { bound: "≤ 500 ms (aim 200 ms)" } : {}),
        samples: rounds,
      }));
    } finally {
      await browser.close();
    }
  },
};

const facts = (page: Page) => page.getByRole("region", { name: "Waterfall" }).locator("p").first();
const runButton = (page: Page) =>
  page
    .getByRole("article")
    .filter({ hasText: "db.n-plus-one" })
    .getByRole("button", { name: "Run" });

/** Spans that the waterfall of a finished run shows. */
async function wholeWaterfall(page: Page, origin: string): Promise<number> {
  await page.goto(origin);
  await runButton(page).click();
  await page.getByRole("heading", { level: 1 }).filter({ hasText: "Pass" }).waitFor();
  return spansOf((await facts(page).textContent()) ?? "");
}

async function clickToPaint(page: Page, origin: string, whole: number): Promise<number> {
  await page.goto(origin);
  await runButton(page).waitFor();
  await page.evaluate(watchForPaint(whole));
  await runButton(page).click();
  return page.evaluate<number>("globalThis.painted");
}

/** Runs in the page, where both ends are read: the driver's own round trips are not the user's. */
const watchForPaint = (spans: number): string => `
  globalThis.painted = new Promise((resolve) => {
    let clickedAt = 0;
    addEventListener("click", (event) => { clickedAt ||= event.timeStamp; }, { capture: true });
    const observer = new MutationObserver(() => {
      const text = document.querySelector('[aria-label="Waterfall"] p')?.textContent ?? "";
      if (clickedAt === 0 || !/(^|\\D)${spans} spans/.test(text)) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - clickedAt)));
    });
    observer.observe(document, { subtree: true, childList: true, characterData: true });
  });
  undefined`;
