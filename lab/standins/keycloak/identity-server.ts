import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { interactions } from "./interactions.ts";
import { loadPageAssets } from "./page-assets.ts";
import { answerPage, errorPage } from "./pages.ts";
import { interactionPath, openProvider, realmPath } from "./provider.ts";
import type { KeycloakSettings } from "./settings.ts";
import { signingKey } from "./signing-key.ts";

/** The running stand-in. */
export interface IdentityServer {
  readonly port: number;
  readonly issuer: string;
  readonly close: () => Promise<void>;
}

/** Path that answers 200 as soon as it can sign people in. */
export const readyPath = "/health/ready";

/**
 * Starts the stand-in on 127.0.0.1.
 * @throws Error when the port is taken; LabError when its key cannot be kept.
 */
export async function openIdentityServer(
  settings: KeycloakSettings,
  onError: (error: unknown) => void,
): Promise<IdentityServer> {
  const [key, assets] = await Promise.all([signingKey(settings.dir), loadPageAssets()]);
  const server = createServer();
  // First the port, then the provider: the issuer may hold it.
  const port = await listen(server, settings.port);
  const issuer = settings.issuer.replace(/:0(?=\/|$)/, `:${port}`);
  const provider = openProvider({ ...settings, issuer }, key);
  provider.on("server_error", (...args) => onError(args[1]));
  const page = { appOrigin: settings.client.origin };
  const interact = interactions(provider, settings.user, page);
  const protocol = provider.callback();
  const hosts = hostsOf([port, Number(new URL(issuer).port)]);

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? "").replace(/[?#].*$/s, "");
    if (!hosts.has(request.headers.host?.toLowerCase() ?? "")) {
      plain(response, 421, "This provider answers only on its own loopback names.\n");
    } else if (path === readyPath) {
      plain(response, 200, '{"status":"UP"}', "application/json");
    } else if (assets.has(path)) {
      const asset = assets.get(path);
      plain(response, 200, asset?.bytes ?? "", asset?.type, "public, max-age=3600");
    } else if (path.startsWith(`${interactionPath}/`)) {
      await interact(request, response);
    } else if (path.startsWith(`${realmPath}/`)) {
      // How the provider learns below which path it lives.
      const mounted = request as IncomingMessage & { originalUrl?: string };
      mounted.originalUrl = request.url ?? "";
      request.url = mounted.originalUrl.slice(realmPath.length);
      await protocol(request, response);
    } else {
      const text = "The provider serves the realm lab and nothing else.";
      answerPage(response, 404, errorPage(page, { title: "There is no such page", text }));
    }
  };
  server.on("request", (request, response) => {
    serve(request, response).catch((error: unknown) => {
      onError(error);
      if (response.headersSent) response.destroy();
      else plain(response, 500, "The provider failed to answer this.\n");
    });
  });
  return {
    port,
    issuer,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

/** Names it answers to: DNS rebinding arrives with another. */
const hostsOf = (ports: readonly number[]): ReadonlySet<string> =>
  new Set(
    ports.flatMap((port) => ["localhost", "127.0.0.1", "[::1]"].map((name) => `${name}:${port}`)),
  );

function plain(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  type = "text/plain; charset=utf-8",
  cache = "no-store",
): void {
  response.writeHead(status, {
    "content-type": type,
    "cache-control": cache,
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "content-length": String(Buffer.byteLength(body)),
  });
  response.end(body);
}
