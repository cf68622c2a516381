import type { APIRequestContext, Page } from "playwright/test";
import { expect, test } from "playwright/test";
import type { LogsBody } from "../../lab/api/logs.ts";
import { routes } from "../../lab/api/routes.ts";
import type { SentryBody } from "../../lab/api/sentry.ts";
import { metric } from "../../scenarios/names.ts";
import { spansOf } from "./evidence.ts";

/** The trace that the page's vitals are told in: that of the first that it posts. */
async function traceOfVitals(page: Page, open: () => Promise<unknown>): Promise<string> {
  const [told] = await Promise.all([page.waitForRequest("**/api/vitals"), open()]);
  return told.headers().traceparent?.split("-")[1] ?? "";
}

/**
 * Resolves when the browser has told of the page's first interaction, and the page has had the idle
 * moment that it is measured in.
 */
const firstInput = (page: Page): Promise<unknown> =>
  page.evaluate(`new Promise((resolve) => {
    const told = () => requestIdleCallback(() => resolve());
    new PerformanceObserver(told).observe({ type: "first-input", buffered: true });
  })`);

/** As when somebody changes to another tab. A page that is left on a busy machine may be cut off. */
const hide = (page: Page): Promise<unknown> =>
  page.evaluate(`
    Object.defineProperty(document, "visibilityState", { value: "hidden" });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  `);

/** Where the app that runs now shows its metrics, as it said when it started. */
async function metricsOf(request: APIRequestContext): Promise<string> {
  const answer = await request.get(`${routes.logs}?service=lab-server&text=listening`);
  const { logs } = (await answer.json()) as LogsBody;
  const newest = logs.toSorted((a, b) => a.seq - b.seq).at(-1);
  return (await request.get(`http://127.0.0.1:${newest?.attributes.metricsPort}/metrics`)).text();
}

const names = Object.keys(metric.webVital) as (keyof typeof metric.webVital)[];

test("each of the five web vitals is a span, a log event, a Sentry metric and a sample with the page's trace as exemplar", async ({
  page,
  request,
}) => {
  const traceId = await traceOfVitals(page, () => page.goto("/", { waitUntil: "load" }));
  // A real click, so that there is an interaction to measure.
  await page.getByRole("link", { name: "Services" }).click();
  await expect(page.getByRole("heading", { name: "Services" })).toBeVisible();
  await firstInput(page);
  await hide(page);

  const wanted = names.map((name) => `browser.web_vital.${name.toLowerCase()}`);
  await expect
    .poll(async () => (await spansOf(request, traceId)).map(({ name }) => name))
    .toEqual(expect.arrayContaining(wanted));
  const spans = await spansOf(request, traceId);
  const pageLoad = spans.find(({ name }) => name === "page load");
  const logsOf = async () =>
    ((await (await request.get(`${routes.logs}?trace=${traceId}`)).json()) as LogsBody).logs;
  const metricsInSentry = async () =>
    (
      (await (await request.get(`${routes.sentry}?trace=${traceId}`)).json()) as SentryBody
    ).items.filter(({ kind }) => kind === "metric");
  await expect.poll(async () => (await logsOf()).length).toBeGreaterThanOrEqual(names.length);
  await expect
    .poll(async () => (await metricsInSentry()).length)
    .toBeGreaterThanOrEqual(names.length);
  const [logs, sentry, exposed] = [
    await logsOf(),
    await metricsInSentry(),
    await metricsOf(request),
  ];

  for (const name of names) {
    const short = name.toLowerCase();
    const of = spans.filter((span) => span.name === `browser.web_vital.${short}`);
    expect(of, name).toMatchObject([{ service: "lab-web", parentSpanId: pageLoad?.spanId }]);
    const value = of[0]?.attributes?.find(({ key }) => key === "browser.web_vital.value")?.value;
    expect(
      logs.filter(({ attributes }) => attributes["browser.web_vital.name"] === short),
      name,
    ).toMatchObject([
      {
        service: "lab-web",
        body: "browser.web_vital",
        spanId: of[0]?.spanId,
        attributes: {
          "browser.web_vital.value": value?.doubleValue ?? Number(value?.intValue),
        },
      },
    ]);
    expect(
      sentry.filter(({ payload }) =>
        JSON.stringify(payload).includes(`"browser.web_vital.${short}"`),
      ),
      name,
    ).toHaveLength(1);
    expect(
      exposed
        .split("\n")
        .filter(
          (line) => line.startsWith(`${metric.webVital[name]}_bucket`) && line.includes(traceId),
        ),
      name,
    ).toHaveLength(1);
  }
});
