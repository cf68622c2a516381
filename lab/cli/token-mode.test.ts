import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type LabUnderTest,
  newLabDir,
  processesOf,
  removeLabDir,
  runningIn,
  startLab,
} from "#lab/testing/lab-under-test.ts";

let dir: string;
let lab: LabUnderTest;
let token: string;
const tokenFile = (): string => join(dir, "token");

beforeAll(async () => {
  dir = await newLabDir();
  lab = await startLab(dir, ["--token"]);
  token = readFileSync(tokenFile(), "utf8").trim();
}, 60_000);
afterAll(async () => {
  // Stopped by the last test; one that failed before must not leave the lab.
  if (existsSync(join(dir, "lab.json"))) await lab.stop();
  await removeLabDir(dir);
}, 60_000);

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(lab.origin + path, { headers, redirect: "manual" });

const linkIn = (text: string): string =>
  /http:\/\/localhost:\d+(\/lab\/enter\/[\w-]+)/.exec(text)?.[1] ?? "";

test("whoever brings nothing gets no page and no answer", async () => {
  for (const path of [
    "/",
    "/runs",
    "/assets/x.js",
    "/lab/api/status",
    "/lab/api/events",
    "/api/me",
  ]) {
    expect({ path, status: (await get(path)).status }).toEqual({ path, status: 401 });
  }
  const { error } = (await (await get("/lab/api/status")).json()) as { error: { code: string } };
  expect(error.code).toBe("token-needed");
});

test("the printed link opens one browser, once", async () => {
  const link = linkIn(lab.printed);
  const entered = await get(link);
  expect([entered.status, entered.headers.get("location")]).toEqual([303, "/"]);
  const cookie = entered.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  expect((await get("/", { cookie })).status).toBe(200);
  expect((await get("/lab/api/status", { cookie })).status).toBe(200);
  expect((await get(link)).status).toBe(401);
});

test("another browser gets a link of its own, from whoever is in already", async () => {
  const { code, out } = await lab.cli("open");
  expect(code).toBe(0);
  expect((await get(linkIn(out))).status).toBe(303);
  expect((await get(linkIn(out))).status).toBe(401);
  const writing = { "content-type": "application/json", "x-lab-csrf": "1" };
  const links = `${lab.origin}/lab/api/links`;
  expect((await fetch(links, { method: "POST", headers: writing, body: "{}" })).status).toBe(401);
});

test("the token is 32 random bytes that only this user can read", () => {
  expect(token).toMatch(/^[\w-]{43}$/);
  expect(statSync(tokenFile()).mode & 0o777).toBe(0o600);
});

test("the command line enters by itself", async () => {
  const status = await lab.cli("status");
  expect([status.code, status.err]).toEqual([0, ""]);
  expect(status.out).toContain("npm run lab -- open");
  expect((await lab.cli("restart", "server")).code).toBe(0);
});

test("a run arrives whole, the driver's own spans too", async () => {
  const { code, out, err } = await lab.cli("run", "db.n-plus-one", "--param", "n=20", "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const { run } = JSON.parse(out);
  expect(run).toMatchObject({ driver: "lab-cli", state: "settled", answer: { status: 200 } });
  const headers = { authorization: `Bearer ${token}` };
  const trace = await (await get(`/lab/api/traces/${run.traceIds[0]}`, headers)).text();
  expect(trace).toContain("scenario.run db.n-plus-one");
  expect(trace).toContain('"lab-cli"');
});

test("a browser that the command line drives is let in", async () => {
  const { code, out } = await lab.cli("run", "ui.render-error", "--json");
  expect(JSON.parse(out).run).toMatchObject({ driver: "lab-web", state: "settled" });
  expect(code).toBe(0);
}, 60_000);

test("neither token nor link is in a record, a log, the telemetry or an argument", async () => {
  const secrets = [token, linkIn(lab.printed).split("/").at(-1) ?? ""];
  expect(secrets[1]).toMatch(/^[\w-]{22}$/);
  const shown = [
    ...filesBelow(dir).filter((path) => path !== tokenFile()),
    ...processesOf(dir, await runningIn(dir)).flatMap(({ pid }) => [
      `/proc/${pid}/cmdline`,
      `/proc/${pid}/environ`,
    ]),
  ].filter((path) => existsSync(path));
  expect(shown).toEqual(
    expect.arrayContaining([
      join(dir, "lab.json"),
      join(dir, "logs", "lab.log"),
      `/proc/${lab.pid}/cmdline`,
    ]),
  );
  expect(readFileSync(join(dir, "logs", "lab.log"), "utf8")).toContain("Ready in");
  const leaks = shown.filter((path) => {
    const content = readFileSync(path);
    return secrets.some((secret) => content.includes(secret));
  });
  expect(leaks).toEqual([]);
  const { out, err } = await lab.cli("status", "--json");
  for (const secret of secrets) expect(out + err).not.toContain(secret);
});

test("a stop takes the token away", async () => {
  await lab.stop();
  expect(existsSync(tokenFile())).toBe(false);
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("/postgres/base"))
    .map(({ parentPath, name }) => join(parentPath, name));
}
