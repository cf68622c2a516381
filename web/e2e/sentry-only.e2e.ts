import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "playwright/test";
import { routes } from "../../lab/api/routes.ts";
import type { SentryBody } from "../../lab/api/sentry.ts";
import { spansOf } from "./evidence.ts";

const client = fileURLToPath(new URL("./sentry-only-client.ts", import.meta.url));

test("the trace of a client that only speaks Sentry goes on in the app", async ({
  request,
  baseURL,
}) => {
  const { stdout } = await promisify(execFile)(process.execPath, [client, baseURL ?? ""]);
  const traceId = stdout.trim();
  const itemsOf = async () => {
    const response = await request.get(`${routes.sentry}?trace=${traceId}`);
    return ((await response.json()) as SentryBody).items;
  };
  await expect.poll(async () => (await itemsOf()).map(({ kind }) => kind)).toContain("event");
  const transactions = async () =>
    (await itemsOf()).filter(({ kind }) => kind === "transaction").map(({ title }) => title);
  await expect.poll(transactions).toContain("GET /api/products");
  const named = async () => (await spansOf(request, traceId)).map(({ name }) => name);
  await expect.poll(named).toContain("cache read");

  const spans = await spansOf(request, traceId);
  const served = spans.find(({ kind }) => kind === 2);
  expect(served).toMatchObject({ name: "GET /api/products", service: "lab-server" });
  // Its parent is a span that only Sentry was told of.
  expect(served?.parentSpanId).toMatch(/^[0-9a-f]{16}$/);
  expect(spans.some(({ spanId }) => spanId === served?.parentSpanId)).toBe(false);
});
