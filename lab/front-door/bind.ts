import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { LabError } from "../errors.ts";
import { headersWith } from "./answer.ts";

export interface Bound {
  readonly port: number;
  readonly servers: readonly Server[];
}

/** Times to look for a port that is free on both addresses when any will do. */
const triesForAnyPort = 20;

/**
 * Listens on 127.0.0.1 and, where the machine has IPv6, on ::1 at the same port: `localhost` means
 * either, depending on the resolver. `port` 0 takes any.
 * @throws LabError `port-busy` when another program holds the port on either address.
 */
export async function bindLoopback(port: number, listener: RequestListener): Promise<Bound> {
  for (let tries = 1; ; tries += 1) {
    const v4 = serverFor(listener);
    const chosen = await listen(v4, "127.0.0.1", port);
    if (chosen === "no-address") throw noLoopback();
    if (chosen === "busy") throw portBusy(port);
    const v6 = serverFor(listener);
    const second = await listen(v6, "::1", chosen);
    if (second === "no-address") return { port: chosen, servers: [v4] };
    if (second !== "busy") return { port: chosen, servers: [v4, v6] };
    v4.close();
    if (port !== 0 || tries === triesForAnyPort) throw portBusy(chosen);
  }
}

async function listen(
  server: Server,
  host: string,
  port: number,
): Promise<number | "busy" | "no-address"> {
  server.listen({ host, port, ipv6Only: true });
  try {
    await once(server, "listening");
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case "EADDRINUSE":
        return "busy";
      case "EADDRNOTAVAIL":
      case "EAFNOSUPPORT":
        return "no-address";
    }
    throw error;
  }
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

function serverFor(listener: RequestListener): Server {
  // A missing Host is the guard's business: it has the answer that says what to do.
  const server = createServer(
    {
      requireHostHeader: false,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 30_000,
      connectionsCheckingInterval: 5_000,
    },
    listener,
  );
  server.on("clientError", answerUnreadable);
  server.on("connect", (_request, socket) => {
    answerRaw(socket, "405 Method Not Allowed", "method-not-allowed", "CONNECT is not offered.", [
      ["allow", "GET, HEAD, POST"],
    ]);
  });
  return server;
}

/** The parser gave up: there is no request to answer, only a socket. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  switch (error.code) {
    case "HPE_INVALID_METHOD":
      answerRaw(socket, "501 Not Implemented", "unknown-method", "No such method.");
      return;
    case "HPE_HEADER_OVERFLOW":
      answerRaw(
        socket,
        "431 Request Header Fields Too Large",
        "headers-too-large",
        "The headers are larger than 16 KiB.",
      );
      return;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      answerRaw(socket, "408 Request Timeout", "request-timeout", "The request did not end.");
      return;
  }
  answerRaw(socket, "400 Bad Request", "bad-request", "This is not an HTTP request.");
}

function answerRaw(
  socket: Duplex,
  statusLine: string,
  code: string,
  message: string,
  more: readonly (readonly [string, string])[] = [],
): void {
  const hint = "Speak HTTP/1.1 to this port.";
  const body = JSON.stringify({ error: { code, message, hint } });
  const flat = headersWith([
    ["content-type", "application/json; charset=utf-8"],
    ["content-length", String(Buffer.byteLength(body))],
    ["connection", "close"],
    ...more,
  ]);
  const lines = Array.from(
    { length: flat.length / 2 },
    (_, i) => `${flat[2 * i]}: ${flat[2 * i + 1]}`,
  );
  socket.on("error", () => socket.destroy());
  socket.end(`HTTP/1.1 ${statusLine}\r\n${lines.join("\r\n")}\r\n\r\n${body}`);
}

const portBusy = (port: number): LabError =>
  new LabError("port-busy", `Port ${port} is in use by another program.`, {
    hint: `Stop that program, or choose another port: LAB_PORT=${port === 65535 ? 4700 : port + 1} npm run lab`,
  });

const noLoopback = (): LabError =>
  new LabError("no-loopback", "The address 127.0.0.1 does not exist on this machine.", {
    hint: "Bring the loopback interface up: ip link set lo up",
  });
