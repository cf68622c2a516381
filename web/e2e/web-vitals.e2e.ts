import type { APIRequestContext, Page } from "playwright/test";
import { expect, test } from "playwright/test";
import type { LogRecord, LogsBody } from "../../lab/api/logs.ts";
import { routes } from "../../lab/api/routes.ts";
import type { SentryBody, SentryItem } from "../../lab/api/sentry.ts";
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

type Name = keyof typeof metric.webVital;
const names = Object.keys(metric.webVital) as Name[];

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
    .toEqual(expect.arrayContaining(["page load", ...wanted]));
  const spans = await spansOf(request, traceId);
  const pageLoad = spans.find(({ name }) => name === "page load");
  const logsOf = async () =>
    ((await (await request.get(`${routes.logs}?trace=${traceId}`)).json()) as LogsBody).logs;
  const metricsInSentry = async () =>
    (
      (await (await request.get(`${routes.sentry}?trace=${traceId}`)).json()) as SentryBody
    ).items.filter(({ kind }) => kind === "metric");
  const isLogOf = ({ attributes }: LogRecord, name: Name) =>
    attributes["browser.web_vital.name"] === name.toLowerCase();
  const isMetricOf = ({ payload }: SentryItem, name: Name) =>
    JSON.stringify(payload).includes(`"browser.web_vital.${name.toLowerCase()}"`);
  const isSampleOf = (line: string, name: Name) =>
    line.startsWith(`${metric.webVital[name]}_bucket`) && line.includes(traceId);

  // Each signal goes its own way: one may be there while another is still coming.
  const inAll = async <T>(
    read: () => Promise<readonly T[]>,
    isOf: (it: T, name: Name) => boolean,
  ) => {
    await expect
      .poll(async () => {
        const all = await read();
        return names.filter((name) => !all.some((it) => isOf(it, name)));
      })
      .toEqual([]);
    return read();
  };
  const logs = await inAll(logsOf, isLogOf);
  const sentry = await inAll(metricsInSentry, isMetricOf);
  const exposed = await inAll(async () => (await metricsOf(request)).split("\n"), isSampleOf);

  for (const name of names) {
    const short = name.toLowerCase();
    const of = spans.filter((span) => span.name === `browser.web_vital.${short}`);
    expect(of, name).toMatchObject([{ service: "lab-web", parentSpanId: pageLoad?.spanId }]);
    const value = of[0]?.attributes?.find(({ key }) => key === "browser.web_vital.value")?.value;
    expect(
      logs.filter((log) => isLogOf(log, name)),
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
      sentry.filter((item) => isMetricOf(item, name)),
      name,
    ).toHaveLength(1);
    expect(
      exposed.filter((line) => isSampleOf(line, name)),
      name,
    ).toHaveLength(1);
  }
});
