import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { Probe, ProbeContext } from "#lab/services/descriptor.ts";
import { freePort } from "#lab/testing/free-port.ts";
import { awaitReady } from "./probe.ts";
import { testSecrets } from "./testing/fake-descriptors.ts";

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

const contextOf = (port: number): ProbeContext => ({
  port: () => port,
  secrets: testSecrets,
  serviceDir: "/nowhere",
});

/** What the probe saw before it was content, or before `enough` sights. */
async function sights(probe: Probe, port: number, enough = 100): Promise<readonly string[]> {
  const seen: string[] = [];
  const over = new AbortController();
  await awaitReady(probe, contextOf(port), over.signal, (sight) => {
    seen.push(sight);
    if (seen.length === enough) over.abort();
  }).catch(() => {});
  return seen;
}

test("http: ready is 200 and nothing else, with the headers of the service", async () => {
  const statuses = [503, 404, 302, 204, 200];
  const port = await listening(
    createHttpServer((request, response) => {
      response.statusCode =
        request.headers["x-door"] === testSecrets.doorSecret ? (statuses.shift() ?? 200) : 401;
      response.end();
    }),
  );
  const headers = ({ secrets }: ProbeContext) => ({ "x-door": secrets.doorSecret });
  const seen = await sights({ kind: "http", port: "main", path: "/healthz", headers }, port);
  expect(seen).toEqual(
    [503, 404, 302, 204].map((status) => `GET http://127.0.0.1:${port}/healthz answered ${status}`),
  );
  const without = await sights({ kind: "http", port: "main", path: "/" }, port, 1);
  expect(without).toEqual([`GET http://127.0.0.1:${port}/ answered 401`]);
});

test("http: one that accepts and never answers is told so", async () => {
  const port = await listening(createServer());
  const seen = await sights({ kind: "http", port: "main", path: "/" }, port, 1);
  expect(seen[0]).toContain("no answer within 1000 ms");
});

test.each([
  { kind: "tcp", port: "main" },
  { kind: "http", port: "main", path: "/" },
  { kind: "postgres", port: "main", user: "lab_admin" },
] as const)("$kind: a closed port is told so", async (probe) => {
  const port = await freePort();
  expect((await sights(probe, port, 1))[0]).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
});

test("tcp: whoever accepts is ready", async () => {
  expect(await sights({ kind: "tcp", port: "main" }, await listening(createServer()))).toEqual([]);
});

test("postgres: ready is a demand for a password, not a server that is starting or hangs up", async () => {
  const error = (text: string) => {
    const body = Buffer.from(`SFATAL\0C57P03\0M${text}\0\0`);
    const head = Buffer.alloc(5);
    head.write("E");
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const answers: ((socket: Socket) => unknown)[] = [
    (socket) => socket.end(error("the database system is starting up")),
    (socket) => socket.end(),
    (socket) => socket.write("R"),
  ];
  const asked: string[] = [];
  const port = await listening(
    createServer((socket) =>
      socket.once("data", (data: Buffer) => {
        asked.push(data.subarray(8).toString());
        answers.shift()?.(socket);
      }),
    ),
  );
  expect(await sights({ kind: "postgres", port: "main", user: "lab_admin" }, port)).toEqual([
    `PostgreSQL on port ${port}: the database system is starting up`,
    `port ${port}: closed the connection without an answer`,
  ]);
  expect(asked[0]).toBe("user\0lab_admin\0database\0postgres\0\0");
});

test("an end from outside ends the asking at once", async () => {
  const port = await listening(createServer());
  const over = new AbortController();
  const asking = awaitReady(
    { kind: "http", port: "main", path: "/" },
    contextOf(port),
    over.signal,
    () => {},
  );
  over.abort(new Error("stopped"));
  await expect(asking).rejects.toThrow("stopped");
});
