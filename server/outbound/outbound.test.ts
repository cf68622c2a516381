import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openOutbound } from "./outbound.ts";

let peer: Server;
let url: string;
let arrived: number;
let answer: () => number;

beforeEach(async () => {
  arrived = 0;
  answer = () => 503;
  peer = createServer((_, response) => {
    arrived += 1;
    response.writeHead(answer()).end("stock");
  });
  await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}/`;
});
afterEach(() => {
  peer.closeAllConnections();
  return new Promise((resolve) => peer.close(resolve));
});

const policy = { peer: "test", layers: 2, attempts: 3, backoffMs: 0, jitter: false };

test("layers of retries multiply", async () => {
  await expect(openOutbound(policy).get(url)).rejects.toMatchObject({
    status: 503,
    code: "upstream_failed",
  });
  expect(arrived).toBe(9);
});

test("a retry that works is the end of it", async () => {
  answer = () => (arrived < 3 ? 503 : 200);
  expect(await openOutbound(policy).get(url)).toBe("stock");
  expect(arrived).toBe(3);
});

test("the breaker lets through so many failures in a row, then refuses without a call", async () => {
  const outbound = openOutbound({ ...policy, openAfter: 4 });
  await expect(outbound.get(url)).rejects.toMatchObject({ code: "circuit_open" });
  expect(arrived).toBe(4);
  await expect(outbound.get(url)).rejects.toMatchObject({ code: "circuit_open" });
  expect(arrived).toBe(4);
});

test("a success in between starts the count anew", async () => {
  answer = () => (arrived % 2 === 0 ? 200 : 503);
  const outbound = openOutbound({ ...policy, openAfter: 2 });
  for (let call = 0; call < 5; call++) expect(await outbound.get(url)).toBe("stock");
});
