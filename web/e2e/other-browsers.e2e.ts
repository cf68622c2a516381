import { expect, test } from "playwright/test";
import { traceService } from "../../scenarios/names.ts";
import { recordOf, spansOf } from "./evidence.ts";
import { openWindow, type Window } from "./webdriver/client.ts";
import { findDriven, type RunningDriver, startDriver } from "./webdriver/drivers.ts";

const drivers: RunningDriver[] = [];
// After a journey that hangs, too.
test.afterEach(async () => {
  for (const { stop } of drivers.splice(0)) await stop();
});

/** Elements of the page, by what a visitor sees of them. */
const on = {
  account: (state: string) => `//button[@popovertarget='account'][contains(., '${state}')]`,
  inMenu: (link: string) => `//*[@id='account']//a[normalize-space()='${link}']`,
  seeded: (place: 1 | 2) => `(//*[@id='account']//dd/code)[${place}]`,
  userId: "//*[@id='account']//dd/code",
  rail: (view: string) => `//nav//a[contains(., '${view}')]`,
  run: (scenario: string) =>
    `//article[.//text()='${scenario}']//button[starts-with(normalize-space(), 'Run')]`,
  verdict: "//h1[starts-with(normalize-space(), 'Pass') or starts-with(normalize-space(), 'Fail')]",
  awaitsClick: "//*[@data-awaits-click]",
};

async function signIn(window: Window): Promise<void> {
  await window.click(on.account("not signed in"));
  const username = await window.text(on.seeded(1));
  const password = await window.text(on.seeded(2));
  await window.click(on.inMenu("Sign in"));
  await window.type("//*[@id='username']", username);
  await window.type("//*[@id='password']", password);
  await window.click("//*[@id='kc-login']");
}

for (const driven of findDriven(process.env)) {
  test(`${driven.name}: signs in over http on localhost, runs a scenario as somebody, and signs out on both sides`, async ({
    request,
    baseURL,
  }) => {
    test.skip(process.env.LAB_BROWSERS === undefined, "asked for by npm run e2e -- --browsers");
    if ("missing" in driven) {
      test.skip(true, driven.missing);
      return;
    }
    // Two more engines start cold, each with its own processes.
    test.setTimeout(240_000);
    const origin = baseURL ?? "";
    const driver = await startDriver(driven);
    drivers.push(driver);
    const window = await openWindow(driver.origin, driven.capabilities, 45_000);
    const sessionCookies = async () =>
      (await window.cookies()).filter(({ name }) => name.startsWith("lab_session_"));

    await window.open(`${origin}/services`);
    await signIn(window);
    await window.see(on.account("Ada Lovelace"));
    expect(await window.url()).toBe(`${origin}/services`);
    const cookies = await sessionCookies();
    for (const cookie of cookies) {
      expect(cookie).toMatchObject({ httpOnly: true, secure: false, sameSite: "Lax", path: "/" });
    }
    expect(await window.run("return document.cookie")).toBe("");
    // Who has copied the cookies is the same person, as long as the session lives on the server.
    const headers = { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join("; ") };
    const copied = async () => (await request.get("/api/me", { headers })).json();
    expect(await copied()).toMatchObject({ user: { name: "Ada Lovelace" } });

    const judged = async () => {
      await window.see(on.verdict);
      const runId = new URL(await window.url()).pathname.split("/").at(-1) ?? "";
      const run = await recordOf(request, runId);
      expect(run.checks.filter(({ state }) => state !== "pass")).toEqual([]);
      return run;
    };
    // Neither engine tells of long frames, and not each of a click's latency.
    await window.click(on.rail("Scenarios"));
    await window.click(on.run("ui.long-task"));
    await window.click(on.awaitsClick);
    await judged();

    await window.click(on.rail("Scenarios"));
    await window.click(on.run("db.n-plus-one"));
    const { traceIds } = await judged();
    await window.click(on.account("Ada Lovelace"));
    const userId = await window.text(on.userId);
    const spans = await spansOf(request, traceIds[0] ?? "");
    expect(spans.map(({ service }) => service)).toContain(traceService.web);
    const hers = spans.filter(({ attributes = [] }) =>
      attributes.some(({ key, value }) => key === "user.id" && value?.stringValue === userId),
    );
    expect(hers.length).toBeGreaterThan(3);

    await window.click(on.inMenu("Sign out"));
    await window.see(on.account("not signed in"));
    expect(await window.url()).toBe(`${origin}/`);
    expect(await sessionCookies()).toEqual([]);
    expect(await copied()).toMatchObject({ user: null });
    // The provider has forgotten the person as well: it asks for the password again.
    await window.click(on.account("not signed in"));
    await window.click(on.inMenu("Sign in"));
    await window.see("//*[@id='password']");
    await window.close();
  });
}
