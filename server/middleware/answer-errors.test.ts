import { once } from "node:events";
import type { AddressInfo } from "node:net";
import Koa from "koa";
import { expect, onTestFinished, test } from "vitest";
import { AppError } from "../errors.ts";
import { answerErrors } from "./answer-errors.ts";

/** An app whose only route throws this. */
async function answerOf(error: unknown): Promise<Response> {
  const app = new Koa();
  app.on("error", () => {});
  app.use(answerErrors);
  app.use(() => {
    throw error;
  });
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
}

test("who may come back is told when, in the header that clients read", async () => {
  const options = { hint: "later", retryAfterSeconds: 5 };
  const answer = await answerOf(new AppError(503, "busy", "Not now.", options));
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
  expect(await answer.json()).toEqual({
    error: { code: "busy", message: "Not now.", hint: "later" },
  });
});

test("any other error keeps its text, and promises nothing", async () => {
  const answer = await answerOf(new Error("secret"));
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([500, null]);
  expect(await answer.text()).not.toContain("secret");
});
