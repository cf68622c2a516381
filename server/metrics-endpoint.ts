import { createServer, type Server } from "node:http";
import { registry } from "./metrics.ts";

/**
 * `GET /metrics` on a port of its own, so that a scraper needs no way through the front door. Only
 * loopback names are accepted as Host: a web page that rebinds its name to 127.0.0.1 has another.
 * @param containerHost name by which containers ask for this machine, where services are containers.
 */
export function metricsServer(containerHost?: string): Server {
  return createServer((request, response) => {
    const answer = (status: number, body: string, type = "text/plain; charset=utf-8") => {
      response.writeHead(status, {
        "content-type": type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      });
      response.end(body);
    };
    const { host } = request.headers;
    const { localPort } = request.socket;
    const fromContainer = containerHost !== undefined && host === `${containerHost}:${localPort}`;
    if (!fromContainer && !isLoopbackHost(host, localPort)) {
      answer(421, "Misdirected request\n");
    } else if (request.url?.split("?")[0] !== "/metrics") answer(404, "Not found\n");
    else if (request.method !== "GET") answer(405, "Method not allowed\n");
    else {
      registry.metrics().then(
        (text) => answer(200, text, registry.contentType),
        () => answer(500, "The metrics could not be read\n"),
      );
    }
  });
}

/** Whether a Host header names this machine's loopback and this port. Malformed ones do not. */
export function isLoopbackHost(host: string | undefined, port: number | undefined): boolean {
  return ["127.0.0.1", "localhost", "[::1]"].some(
    (name) => host?.toLowerCase() === `${name}:${port}`,
  );
}
