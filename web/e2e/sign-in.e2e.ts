import { expect, type Page, test } from "playwright/test";
import { routes } from "../../lab/api/routes.ts";
import type { SentryBody } from "../../lab/api/sentry.ts";
import { recordOf, spansOf } from "./evidence.ts";
import { accountMenu } from "./pages/account-menu.ts";
import { runPage } from "./pages/run-page.ts";
import { scenariosPage } from "./pages/scenarios-page.ts";

const sessionCookie = async (page: Page) =>
  (await page.context().cookies()).find(({ name }) => /^lab_session_\d+$/.test(name));

test("signs in, runs a scenario as somebody, and signs out on both sides", async ({
  page,
  request,
}) => {
  const account = accountMenu(page);
  const run = runPage(page);
  const refused: string[] = [];
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) refused.push(message.text());
  });

  await page.goto("/services");
  await account.passSignIn();
  await expect(page).toHaveURL(/\/services$/);
  await expect(account.toggle).toHaveAccessibleName("Account: Ada Lovelace");
  const cookie = await sessionCookie(page);
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });

  await page.getByRole("link", { name: "Scenarios" }).click();
  await scenariosPage(page).card("db.n-plus-one").run.click();
  await run.finished();
  await expect(run.sentence).toContainText("Pass");
  const { traceIds } = await recordOf(request, run.runId());
  const userIds = (await spansOf(request, traceIds[0] ?? ""))
    .filter(({ service }) => service === "lab-server")
    .map(({ attributes = [] }) => attributes.find(({ key }) => key === "user.id"))
    .map((attribute) => attribute?.value?.stringValue);
  await account.toggle.click();
  const shownId = await account.menu.locator("dd code").textContent();
  expect(userIds.filter((id) => id === shownId).length).toBeGreaterThan(3);

  await account.signOut.click();
  await expect(account.toggle).toHaveAccessibleName("Account: not signed in");
  await expect(page).toHaveURL(/\/$/);
  expect(await sessionCookie(page)).toBeUndefined();
  // The provider has forgotten the person as well: it asks for the password again.
  await account.toggle.click();
  await account.signIn.click();
  await expect(account.provider.password).toBeVisible();
  expect(refused).toEqual([]);
});

test("an error report says whose it is by an opaque id, and nothing else of the person", async ({
  page,
  request,
}) => {
  const account = accountMenu(page);
  const run = runPage(page);
  const usersOfFailingRun = async () => {
    await page.goto("/scenarios");
    await scenariosPage(page).card("db.connection-reset").run.click();
    await run.finished();
    const answer = await request.get(`${routes.sentry}?run=${run.runId()}`);
    const { items } = (await answer.json()) as SentryBody;
    return items
      .filter(({ kind }) => kind === "event")
      .map(({ payload }) => (payload as { readonly user?: object }).user);
  };

  // First as nobody: who was there before must not be on anybody else's report.
  expect(await usersOfFailingRun()).toEqual([undefined]);
  await page.goto("/");
  await account.passSignIn();
  await expect(account.toggle).toHaveAccessibleName("Account: Ada Lovelace");
  await account.toggle.click();
  const id = await account.menu.locator("dd code").textContent();
  expect(await usersOfFailingRun()).toEqual([{ id }]);
  await account.toggle.click();
  await account.signOut.click();
  await expect(account.toggle).toHaveAccessibleName("Account: not signed in");
  expect(await usersOfFailingRun()).toEqual([undefined]);
});

test("a session that is ended elsewhere is over here too", async ({ page, playwright }) => {
  const account = accountMenu(page);
  await page.goto("/runs");
  await account.passSignIn();
  await expect(account.toggle).toHaveAccessibleName("Account: Ada Lovelace");

  // Copies of the cookie: the page tells its vitals a while after its load, and that request too may
  // be the one by which it learns that its session is over.
  const copy = async () =>
    playwright.request.newContext({
      baseURL: new URL(page.url()).origin,
      storageState: await page.context().storageState(),
    });
  const [elsewhere, stolen] = [await copy(), await copy()];
  expect((await elsewhere.get("/auth/logout", { maxRedirects: 0 })).status()).toBe(303);
  await elsewhere.dispose();

  const me = await stolen.get("/api/me");
  expect(await me.json()).toMatchObject({ user: null, degraded: null });
  expect(me.headers()["set-cookie"]).toMatch(/^lab_session_\d+=; .*expires=Thu, 01 Jan 1970/);
  await stolen.dispose();

  await account.toggle.click();
  await expect(account.menu.getByRole("heading")).toHaveText("Not signed in");
  expect(await sessionCookie(page)).toBeUndefined();
});

test("a wrong password is told, and another may follow", async ({ page }) => {
  const account = accountMenu(page);
  await page.goto("/");
  await account.toggle.click();
  await account.signIn.click();
  await account.provider.username.fill("ada");
  await account.provider.password.fill("not the password");
  await account.provider.submit.click();
  await expect(account.provider.problem).toHaveText("Invalid username or password.");
  await expect(account.provider.password).toHaveValue("");
});

test("a callback nobody waits for leads back to the page, which says so", async ({ page }) => {
  await page.goto("/auth/callback?code=x&state=y");
  await expect(page.getByText("The sign-in was refused.")).toBeVisible();
  await expect(page).toHaveURL(/\/$/);
  await page.getByRole("button", { name: "Dismiss" }).click();
  await expect(page.getByText("The sign-in was refused.")).toBeHidden();
});

test("a link on another page signs nobody out", async ({ page }) => {
  const account = accountMenu(page);
  await page.goto("/");
  await account.passSignIn();
  await expect(account.toggle).toHaveAccessibleName("Account: Ada Lovelace");
  const answer = await page.request.get("/auth/logout", {
    maxRedirects: 0,
    headers: { "sec-fetch-site": "cross-site", "sec-fetch-dest": "document" },
  });
  expect(answer.status()).toBe(403);
  await page.reload();
  await expect(account.toggle).toHaveAccessibleName("Account: Ada Lovelace");
});
