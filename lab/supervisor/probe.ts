import { request } from "node:http";
import { connect } from "node:net";
import type { Probe, ProbeContext } from "#lab/services/descriptor.ts";

/** Between two tries: short at first, later a share of the time that the start has taken already. */
const pause = (sinceMs: number): number => Math.min(200, Math.max(25, sinceMs / 20));
const tryTimeoutMs = 1_000;

/** What one try saw: undefined when the service is ready, else what was there instead. */
export type Sight = string | undefined;

/** Asks until the service is ready or the signal aborts. `onSight` hears what each failed try saw. */
export async function awaitReady(
  probe: Probe,
  context: ProbeContext,
  signal: AbortSignal,
  onSight: (sight: string) => void,
): Promise<void> {
  const begun = performance.now();
  while (!signal.aborted) {
    const sight = await tryOnce(probe, context, signal);
    if (sight === undefined) return;
    onSight(sight);
    const waitMs = pause(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  signal.throwIfAborted();
}

function tryOnce(probe: Probe, context: ProbeContext, signal: AbortSignal): Promise<Sight> {
  const port = context.port(probe.port);
  switch (probe.kind) {
    case "tcp":
      return tryTcp(port, signal);
    case "http":
      return tryHttp(port, probe.path, probe.headers?.(context) ?? {}, signal);
    case "postgres":
      return tryPostgres(port, probe.user, signal);
    case "valkey":
      return tryValkey(port, probe.password(context), signal);
  }
}

function tryTcp(port: number, signal: AbortSignal): Promise<Sight> {
  return talk(port, signal, { onConnect: (done) => done(undefined) });
}

function tryHttp(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Sight> {
  const what = `GET http://127.0.0.1:${port}${path}`;
  return new Promise((resolve) => {
    const asked = request(
      { host: "127.0.0.1", port, path, headers, agent: false, timeout: tryTimeoutMs, signal },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200 ? undefined : `${what} answered ${answer.statusCode}`);
      },
    );
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${tryTimeoutMs} ms`)));
    asked.on("error", (error) => resolve(`${what}: ${error.message || error.name}`));
    asked.end();
  });
}

/**
 * Sends a StartupMessage, as `pg_isready` does
 * (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP). A demand for a
 * password ("R") means that it accepts connections; while it starts or recovers it answers "E".
 */
function tryPostgres(port: number, user: string, signal: AbortSignal): Promise<Sight> {
  return talk(port, signal, {
    onConnect: (_done, socket) => socket.write(startupMessage(user)),
    onData: (done, data) =>
      done(
        data[0] === "R".charCodeAt(0)
          ? undefined
          : `PostgreSQL on port ${port}: ${errorText(data)}`,
      ),
  });
}

function startupMessage(user: string): Buffer {
  const body = Buffer.from(`user\0${user}\0database\0postgres\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8, 0);
  head.writeInt32BE(3 << 16, 4);
  return Buffer.concat([head, body]);
}

/** The field "M" of an ErrorResponse: the message for people. */
function errorText(data: Buffer): string {
  const fields = data.subarray(5).toString("utf8").split("\0");
  return fields.find((field) => field.startsWith("M"))?.slice(1) ?? "an unknown answer";
}

/** Signs in and pings; while it loads its data it answers with an error. */
function tryValkey(port: number, password: string, signal: AbortSignal): Promise<Sight> {
  const request = (...words: readonly string[]) =>
    `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
  let seen = "";
  return talk(port, signal, {
    onConnect: (_done, socket) => socket.write(request("AUTH", password) + request("PING")),
    onData: (done, data) => {
      seen += data.toString("latin1");
      const [first, second] = seen.split("\r\n").slice(0, -1);
      if (first !== undefined && second !== undefined)
        done(second === "+PONG" ? undefined : `Valkey on port ${port}: ${first} ${second}`);
    },
  });
}

type Done = (sight: Sight) => void;
interface Conversation {
  readonly onConnect: (done: Done, socket: import("node:net").Socket) => void;
  readonly onData?: (done: Done, data: Buffer) => void;
}

function talk(port: number, signal: AbortSignal, turn: Conversation): Promise<Sight> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, signal });
    const done = (sight: Sight) => {
      resolve(sight);
      socket.destroy();
    };
    socket.setTimeout(tryTimeoutMs, () =>
      done(`port ${port}: no answer within ${tryTimeoutMs} ms`),
    );
    socket.on("connect", () => turn.onConnect(done, socket));
    socket.on("data", (data: Buffer) => turn.onData?.(done, data));
    socket.on("error", (error) => done(`port ${port}: ${error.message}`));
    socket.on("close", () => done(`port ${port}: closed the connection without an answer`));
  });
}
