import { once } from "node:events";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { openDoorUnderTest, secrets, writing } from "./testing/door-under-test.ts";

/** The app answers with what it got. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return;
  }
  const { method, url, headers } = request;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
}

test("a request reaches the app as it was, with the door's secret", async () => {
  await using lab = await openDoorUnderTest({ app: echo });
  const { json } = await lab.ask("/api/orders?q=a%20b&x=1", {
    method: "POST",
    headers: { ...writing, traceparent: "00-a-b-01", baggage: "lab.run.id=1", "sentry-trace": "c" },
    body: '{"n":1}',
  });
  expect(json).toMatchObject({
    method: "POST",
    url: "/api/orders?q=a%20b&x=1",
    body: '{"n":1}',
    headers: {
      "x-lab-door": secrets.doorSecret,
      "x-forwarded-proto": "http",
      traceparent: "00-a-b-01",
      baggage: "lab.run.id=1",
      "sentry-trace": "c",
      host: `localhost:${lab.door.port}`,
    },
  });
});

test("what a client says about who let it in, and what was for this hop only, stays here", async () => {
  await using lab = await openDoorUnderTest({ app: echo });
  const { json } = await lab.ask("/api/x", {
    headers: {
      "x-lab-door": "guess",
      "x-forwarded-proto": "https",
      "x-forwarded-for": "10.0.0.1",
      "X-Forwarded-Host": "evil.com",
      forwarded: "for=10.0.0.1",
      "x-real-ip": "10.0.0.1",
      connection: "keep-alive, x-private",
      "x-private": "1",
      "proxy-authorization": "Basic x",
      te: "trailers",
      "x-kept": "1",
    },
  });
  expect(Object.keys(json.headers).sort()).toEqual(
    ["connection", "host", "x-forwarded-proto", "x-kept", "x-lab-door"].sort(),
  );
  expect(json.headers["x-lab-door"]).toBe(secrets.doorSecret);
  expect(json.headers["x-forwarded-proto"]).toBe("http");
});

test("the app's answer comes back with its cookies, without its door header", async () => {
  await using lab = await openDoorUnderTest({
    app: (_request, response) => {
      response.writeHead(418, "Short and stout", [
        ...["set-cookie", "a=1", "set-cookie", "b=2", "traceresponse", "00-a-b-01"],
        ...["x-lab-door", secrets.doorSecret, "connection", "close, x-hop", "x-hop", "1"],
      ]);
      response.end("tea");
    },
  });
  const answer = await lab.ask("/auth/login");
  expect(answer).toMatchObject({ status: 418, text: "tea" });
  expect(answer.headers).toMatchObject({
    "set-cookie": ["a=1", "b=2"],
    traceresponse: "00-a-b-01",
  });
  expect(answer.headers).not.toHaveProperty("x-lab-door");
  expect(answer.headers).not.toHaveProperty("x-hop");
});

test("bodies stream both ways: the first part arrives before the last is sent", async () => {
  await using lab = await openDoorUnderTest({
    app: (request, response) => request.pipe(response),
  });
  const headers = { host: `localhost:${lab.door.port}`, ...writing };
  const path = { host: "127.0.0.1", port: lab.door.port, path: "/api/stream", method: "POST" };
  const outgoing = httpRequest({ ...path, headers });
  outgoing.write('["first"');
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  const [first] = await once(incoming, "data");
  expect(String(first)).toBe('["first"');
  outgoing.end("]");
  const [last] = await once(incoming, "data");
  expect(String(last)).toBe("]");
});

test("while nobody listens it says that the app restarts", async () => {
  await using lab = await openDoorUnderTest();
  await lab.double.stopServer();
  for (const request of [{}, { method: "POST", headers: writing, body: "{}" }]) {
    const answer = await lab.ask("/api/me", request);
    expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(answer.json.error).toMatchObject({
      code: "server-restarting",
      hint: expect.any(String),
    });
  }
});

test("an app that takes the request and dies is 502, and the write is not sent twice", async () => {
  let requests = 0;
  await using lab = await openDoorUnderTest({
    app: (request) => {
      requests += 1;
      request.socket.destroy();
    },
  });
  const answer = await lab.ask("/api/x", { method: "POST", headers: writing, body: "{}" });
  expect(answer.status).toBe(502);
  expect(answer.json.error.code).toBe("server-broke-off");
  expect(requests).toBe(1);
});

test("an answer that breaks off in the middle breaks for the client too", async () => {
  await using lab = await openDoorUnderTest({
    app: (_request, response) => {
      response.write("half an ans", () => response.destroy());
    },
  });
  await expect(lab.ask("/api/x")).rejects.toThrow();
});

test("a client that goes away ends its request at the app", async () => {
  const arrived = Promise.withResolvers<IncomingMessage>();
  await using lab = await openDoorUnderTest({ app: (request) => arrived.resolve(request) });
  const socket = connect(lab.door.port, "127.0.0.1");
  socket.write(`GET /api/slow HTTP/1.1\r\nHost: localhost:${lab.door.port}\r\n\r\n`);
  const request = await arrived.promise;
  const gone = once(request.socket, "close");
  socket.destroy();
  await gone;
  expect(request.socket.destroyed).toBe(true);
});

test("a read on a kept connection that turns out dead is sent again; a write never is", async () => {
  const used = new WeakSet<object>();
  let dead = 0;
  await using lab = await openDoorUnderTest({
    app: (request, response) => {
      if (used.has(request.socket)) {
        dead += 1;
        request.socket.destroy();
      } else {
        used.add(request.socket);
        response.end("ok");
      }
    },
  });
  const statuses: number[] = [];
  for (let i = 0; i < 4; i += 1) statuses.push((await lab.ask("/api/x")).status);
  expect(statuses).toEqual([200, 200, 200, 200]);
  expect(dead).toBeGreaterThan(0);
  const before = dead;
  for (let i = 0; i < 3; i += 1) {
    const write = await lab.ask("/api/x", { method: "POST", headers: writing, body: "{}" });
    expect(write.status).toBe(200);
  }
  expect(dead).toBe(before);
});

test("a body beyond the app's limit is 413, whether announced or not", async () => {
  await using lab = await openDoorUnderTest({ app: echo });
  const body = Buffer.alloc(8 * 1024 * 1024 + 1, "x");
  const post = { method: "POST", body };
  const announced = await lab.ask("/api/x", { ...post, headers: writing });
  const chunked = { ...writing, "transfer-encoding": "chunked" };
  const unannounced = await lab.ask("/api/x", { ...post, headers: chunked });
  expect([announced.status, unannounced.status]).toEqual([413, 413]);
});
