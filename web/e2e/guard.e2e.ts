import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type APIRequestContext, chromium, expect, test } from "playwright/test";
import { routes } from "../../lab/api/routes.ts";
import { type CreatedRun, waitForOthersMs } from "../../lab/api/run-request.ts";
import type { RunsBody } from "../../lab/api/runs.ts";
import type { StatusBody } from "../../lab/api/services.ts";
import { endRun } from "./evidence.ts";

/** A page of somebody else, on another port of this machine. */
async function openForeignSite(): Promise<{ readonly port: number; readonly close: () => void }> {
  const script = await readFile(new URL("./foreign-page.js", import.meta.url));
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!doctype html><title>Foreign</title><body><script>${script}</script>`);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/** What a foreign page could have changed. */
async function effects(request: APIRequestContext) {
  const runs = (await (await request.get(routes.runs)).json()) as RunsBody;
  const status = (await (await request.get(routes.status)).json()) as StatusBody;
  return {
    runs: runs.total,
    services: status.services.map(({ id, pid, restarts }) => ({ id, pid, restarts })),
  };
}

for (const name of ["127.0.0.1", "localhost"]) {
  test(`a foreign page on ${name} can neither read nor change anything`, async ({
    page,
    request,
    baseURL,
  }) => {
    const origin = baseURL ?? "";
    const traceId = name === "localhost" ? "ee".repeat(16) : "ef".repeat(16);
    const site = await openForeignSite();
    try {
      const before = await effects(request);
      await page.goto(`http://${name}:${site.port}/`);
      expect(await page.evaluate(`attack("${origin}", "${traceId}")`)).toEqual([]);
      expect(await effects(request)).toEqual(before);
      expect((await request.get(routes.trace(traceId))).status()).toBe(404);
    } finally {
      site.close();
    }
  });
}

test("the same requests from the lab's own page have their effect", async ({ page, request }) => {
  const traceId = "ed".repeat(16);
  const before = await effects(request);
  await page.goto("/");
  const [run, trace] = await page.evaluate<
    { status: number; body: Partial<CreatedRun> }[]
  >(`(async () => {
    const post = async (url, body) => {
      const headers = { "content-type": "application/json", "x-lab-csrf": "1" };
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
      return { status: answer.status, body: await answer.json() };
    };
    const times = { startTimeUnixNano: "1", endTimeUnixNano: "2" };
    const spans = [{ traceId: "${traceId}", spanId: "${traceId.slice(16)}", name: "own", ...times }];
    return [
      await post("/lab/api/runs", { scenario: "run.handled-error", waitMs: ${waitForOthersMs} }),
      await post("/lab/ingest/v1/traces", { resourceSpans: [{ scopeSpans: [{ spans }] }] }),
    ];
  })()`);
  // The page's own envelopes go out with `fetch`.
  const beacon = page.waitForResponse((response) => response.request().resourceType() === "ping");
  // Under our referrer policy the browser says `Origin: null` on a beacon.
  await page.evaluate(`navigator.sendBeacon("${routes.ingestEnvelope}", "{}\\n")`);
  expect((await beacon).status()).toBe(200);
  expect([run?.status, trace?.status]).toEqual([201, 200]);
  expect((await effects(request)).runs).toBe(before.runs + 1);
  await endRun(request, run?.body.runId ?? "");
  expect((await request.get(routes.trace(traceId))).status()).toBe(200);
});

test("a name that was rebound to this machine gets nothing", async ({ baseURL, launchOptions }) => {
  const port = new URL(baseURL ?? "").port;
  const rebound = "--host-resolver-rules=MAP evil.example 127.0.0.1";
  const browser = await chromium.launch({
    ...launchOptions,
    args: [...(launchOptions.args ?? []), rebound],
  });
  try {
    const page = await browser.newPage();
    const answer = await page.goto(`http://evil.example:${port}/`);
    expect(answer?.status()).toBe(421);
    const status = await page.evaluate(async () => (await fetch("/lab/api/status")).status);
    expect(status).toBe(421);
    const written = await page.evaluate(async () => {
      const headers = { "content-type": "application/json", "x-lab-csrf": "1" };
      const body = '{"scenario":"run.handled-error"}';
      return (await fetch("/lab/api/runs", { method: "POST", headers, body })).status;
    });
    expect(written).toBe(421);
  } finally {
    await browser.close();
  }
});

test("another of our names leads to the canonical one", async ({ page, baseURL }) => {
  const { port } = new URL(baseURL ?? "");
  await page.goto(`http://127.0.0.1:${port}/services?x=1`);
  expect(new URL(page.url()).origin).toBe(baseURL);
});

test("the page keeps to its own policy, whatever it shows", async ({ page, request }) => {
  const broken: string[] = [];
  page.on("console", (message) => {
    if (message.text().startsWith("policy:")) broken.push(message.text());
  });
  await page.addInitScript(
    `document.addEventListener("securitypolicyviolation", (event) =>
      console.error("policy:", event.violatedDirective, event.blockedURI, event.sourceFile))`,
  );
  const { runs } = (await (await request.get(routes.runs)).json()) as RunsBody;
  const visits = runs.slice(0, 1).map(({ runId }) => `/runs/${runId}`);
  for (const path of ["/", "/runs", "/services", ...visits]) {
    await page.goto(path);
    await expect(page.getByRole("main")).toBeVisible();
  }
  expect(broken).toEqual([]);
  // The listener does hear what breaks the policy.
  await page.evaluate(`document.body.insertAdjacentHTML("beforeend", '<p style="color: red">')`);
  await expect.poll(() => broken).not.toEqual([]);
});
