import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "playwright/test";
import type { LogsBody } from "../../lab/api/logs.ts";
import { routes } from "../../lab/api/routes.ts";
import { labOfWorker } from "../../lab/testing/journeys-lab.ts";
import { attribute, header } from "../../scenarios/names.ts";
import { createRun, endRun } from "./evidence.ts";

const writing = { "content-type": "application/json", [header.csrf]: "1" };
/** Recognisable in any file, and different in each place. */
const canary = (place: string) => `canary-${place}-e2e7d2`;
const planted = /canary-[a-z]+-e2e7d2/g;

/** Files and folders of a running lab may go away while they are read. */
async function* filesBelow(dir: string): AsyncGenerator<string> {
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** Every file of the running lab that holds one of these texts: `<file>: <text>`. */
async function findInState(dir: string, pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  for await (const file of filesBelow(dir)) {
    const content = await readFile(file, "latin1").catch(() => "");
    for (const match of new Set(content.match(pattern))) found.push(`${file}: ${match}`);
  }
  return found;
}

test("secrets that come in with requests are in no file of the lab", async ({ request }) => {
  const dir = labOfWorker()?.dir ?? "";
  const secret = {
    authorization: `Bearer ${canary("bearer")}`,
    cookie: `lab_session=${canary("cookie")}`,
    "x-api-key": canary("key"),
    referer: `http://localhost/?token=${canary("referer")}`,
  };
  const query = `password=${canary("password")}&token=${canary("token")}&code=${canary("code")}`;
  const created = await createRun(request, { scenario: "run.handled-error" }, secret);
  const runTags = `${attribute.runId}=${created.runId},secret=${canary("baggage")}`;
  const driven = await request.post(`${created.drive.path}?${query}`, {
    headers: { ...writing, ...secret, [header.ticket]: created.ticket, baggage: runTags },
    data: { password: canary("body") },
  });
  expect(driven.status()).toBe(500);
  await endRun(request, created.runId);
  for (const path of ["/", "/api/me", "/api/orders", routes.status, routes.runs, "/nothing"]) {
    await request.get(`${path}?${query}`, { headers: secret });
  }
  const bad = { scenario: canary("scenario"), params: { [canary("name")]: canary("value") } };
  for (const path of [routes.runs, routes.observations(created.runId), "/api/orders"]) {
    await request.post(`${path}?${query}`, { headers: { ...writing, ...secret }, data: bad });
  }
  await request.get("/", { headers: { ...secret, host: canary("host") } });

  const logsOf = async () =>
    ((await (await request.get(`${routes.logs}?run=${created.runId}`)).json()) as LogsBody).logs;
  await expect.poll(async () => (await logsOf()).length).not.toBe(0);
  // The search does find what the lab keeps of this very run, once it is written.
  const kept = new RegExp(created.runId, "g");
  await expect.poll(async () => (await findInState(join(dir, "store"), kept)).length).not.toBe(0);
  expect(await findInState(dir, planted)).toEqual([]);
});
