import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { http } from "#lab/node-http.ts";
import { folderHeader, folderInHeader } from "../contract.ts";
import { sendRefusal } from "./answer.ts";
import { ingestRefusal } from "./otlp-routes.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

export interface HttpServer {
  readonly port: number;
  /** Takes no more connections, lets running requests finish for `graceMs`, then ends the rest. */
  readonly close: (graceMs: number) => Promise<void>;
}

export interface HttpServerOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** Port of a TCP proxy in front of it: clients that come that way ask for this one. */
  readonly proxyPort?: number | undefined;
  /** Name by which containers ask for this machine, where services are containers. */
  readonly containerHost?: string | undefined;
  /** Where the store keeps its data: a request that means another one is refused. */
  readonly folder?: string | undefined;
  readonly routes: readonly Route[];
  /** An error that is our fault. The client gets a 500 that says nothing about it. */
  readonly onError: (error: unknown) => void;
}

/** Listens on 127.0.0.1 and serves the routes to those who ask for it by a loopback name. */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { routes, onError } = options;
  const own = options.folder === undefined ? undefined : folderInHeader(options.folder);
  let hosts: ReadonlySet<string> = new Set();
  const server = http.createServer(
    { maxHeaderSize: 16 * 1024, keepAliveTimeout: 60_000, requestTimeout: 15_000 },
    (request, response) => void serve(request, response),
  );
  // The feed and slow searches outlive any fixed time.
  server.timeout = 0;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let route: Route | undefined;
    try {
      // Other names that lead here belong to pages that rebound their own (DNS rebinding).
      if (!hosts.has(request.headers.host ?? "")) throw misdirected();
      const meant = request.headers[folderHeader];
      if (meant !== undefined && meant !== own) throw otherStore();
      const [path = "", search = ""] = splitOnce(request.url ?? "", "?");
      const matching = routes.filter((each) => each.path.test(path));
      if (matching.length === 0) throw notFound();
      const method = request.method === "HEAD" ? "GET" : request.method;
      route = matching.find((each) => each.method === method);
      if (route === undefined) throw wrongMethod(response, matching);
      const params = route.path.exec(path)?.slice(1) ?? [];
      await route.handle({ request, response, params, query: new URLSearchParams(search) });
    } catch (error) {
      if (request.destroyed && !request.complete) return void response.destroy();
      const refusal = ingestRefusal(error) ?? internal(error);
      if (response.headersSent) return void response.destroy();
      (route?.refuse ?? defaultRefuse)({ request, response }, refusal);
      // What is left of a refused body is read and thrown away, up to what is on its way already.
      request.resume();
    }
  }

  function internal(error: unknown): Refusal {
    onError(error);
    return new Refusal(500, "internal", "The store failed to serve this.", {
      hint: "Look at the store's log.",
    });
  }

  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options.port, "127.0.0.1", resolve);
  await promise;
  const { port } = server.address() as AddressInfo;
  const doors = [port, ...(options.proxyPort === undefined ? [] : [options.proxyPort])];
  hosts = new Set(
    doors.flatMap((door) =>
      ["127.0.0.1", "localhost", "[::1]", options.containerHost ?? "localhost"].map(
        (name) => `${name}:${door}`,
      ),
    ),
  );

  return {
    port,
    close: async (graceMs) => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeIdleConnections();
      const force = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed.promise;
      clearTimeout(force);
    },
  };
}

function defaultRefuse(
  { response }: { readonly response: ServerResponse },
  refusal: Refusal,
): void {
  sendRefusal(response, refusal);
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}

const otherStore = (): Refusal =>
  new Refusal(421, "misdirected", "This is the store of another folder.", {
    hint: "Another lab listens here: npm run lab -- status says where yours does.",
  });

const misdirected = (): Refusal =>
  new Refusal(421, "misdirected", "The store answers to its loopback names only.", {
    hint: "Use the address that the lab printed.",
  });
const notFound = (): Refusal =>
  new Refusal(404, "not_found", "The store has no such route.", {
    hint: "Send OTLP to /v1/traces, /v1/logs or /v1/metrics.",
  });
function wrongMethod(response: ServerResponse, matching: readonly Route[]): Refusal {
  response.setHeader("allow", matching.map((each) => each.method).join(", "));
  return new Refusal(405, "method", "This route does not take that method.", {
    hint: `Use ${matching.map((each) => each.method).join(" or ")}.`,
  });
}
