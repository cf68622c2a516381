import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Router from "@koa/router";
import Koa from "koa";
import { expect, vi } from "vitest";
import { answerErrors } from "../../middleware/answer-errors.ts";
import { type Child, startChild } from "../../testing/child.ts";
import { temporaryFolder } from "../../testing/temporary-folder.ts";
import { openValkey, type Valkey } from "../../valkey/client.ts";
import { openVisitors, type PassingVisitor } from "../../visitor/visitor.ts";
import { signInRoutes } from "../routes.ts";
import { identify } from "../sessions.ts";
import { openSignIn } from "../sign-in.ts";

const clientSecret = "client-secret-of-this-start";
const cookieKeys = ["cookie-key-of-this-test-start"];
const user = { name: "ada", password: "user-password-of-this-start" };
const valkeyPassword = "valkey-password-of-this-start";

/** Instead of the app's 250 ms and 1.5 s: a machine may be busy for longer and nothing be away. */
const patience = { valkeyMs: 10_000, providerSeconds: 10 };

/** Who signs people in: the lab's stand-in, or the real program where this machine has it. */
export type ProviderName = "stand-in" | "Keycloak";
const programs: Readonly<Record<ProviderName, string>> = {
  "stand-in": "lab/standins/keycloak/main.ts",
  Keycloak: "lab/services/keycloak/testing/real-keycloak.ts",
};

/** The app's sign-in in this process, with Valkey and the identity provider in processes of their own. */
export interface SignInApp {
  readonly origin: string;
  readonly issuer: string;
  readonly user: { readonly name: string; readonly password: string };
  readonly client: { readonly id: string; readonly secret: string };
  /** Who knows the seeded user's password, unless another is given. */
  readonly newVisitor: (password?: string) => PassingVisitor;
  /** A request without any visitor's cookies. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
  readonly valkey: Valkey;
  readonly valkeyProcess: Child;
  readonly close: () => Promise<void>;
}

/** Resolves with the reason where there is no such provider. */
export async function startSignInApp(provider: ProviderName): Promise<SignInApp | string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const folder = await temporaryFolder();
  const keycloak = startChild([programs[provider]], {
    LAB_KEYCLOAK_BIN: process.env.LAB_KEYCLOAK_BIN ?? "",
    JAVA_HOME: process.env.JAVA_HOME ?? "",
    LAB_KEYCLOAK_PORT: "0",
    LAB_KEYCLOAK_DIR: folder.path,
    LAB_KEYCLOAK_ISSUER: "http://localhost:0/realms/lab",
    LAB_KEYCLOAK_CLIENT: "lab-server",
    LAB_KEYCLOAK_CLIENT_SECRET: clientSecret,
    LAB_ORIGIN: origin,
    LAB_USER_NAME: user.name,
    LAB_USER_PASSWORD: user.password,
  });
  const said = await keycloak.line(({ msg }) =>
    ["identity provider ready", "no identity provider"].includes(String(msg)),
  );
  if (said.msg === "no identity provider") {
    server.close();
    await folder.remove();
    return String(said.reason);
  }
  const valkeyProcess = startChild(["lab/standins/valkey/main.ts"], {
    LAB_VALKEY_PORT: "0",
    LAB_VALKEY_PASSWORD: valkeyPassword,
  });
  const valkeyPort = await vi.waitFor(
    () => {
      const ports = valkeyProcess.lines.map((line) => /ready on .*:(\d+)$/.exec(line)?.[1]);
      return ports.find(Boolean) ?? expect.fail(valkeyProcess.lines.join("\n"));
    },
    { timeout: 60_000 },
  );
  const valkey = openValkey(`redis://:${valkeyPassword}@127.0.0.1:${valkeyPort}`, {
    patienceMs: patience.valkeyMs,
  });
  await once(valkey.client, "ready");
  const oidc = { issuer: String(said.issuer), clientId: "lab-server", clientSecret };
  const signIn = openSignIn({ origin, oidc, cookieKeys }, valkey, {
    timeoutSeconds: patience.providerSeconds,
  });
  const app = new Koa();
  const router = new Router();
  signInRoutes(router, signIn);
  app.use(answerErrors).use(identify(app, signIn)).use(router.routes());
  server.on("request", app.callback());
  const http = (path: string, init?: RequestInit) =>
    fetch(origin + path, { redirect: "manual", ...init });
  return {
    ...{ origin, user, issuer: oidc.issuer },
    client: { id: oidc.clientId, secret: clientSecret },
    newVisitor: (password = user.password) =>
      openVisitors({ http, signIn, user: { ...user, password }, oidc })(),
    fetch: http,
    valkey,
    valkeyProcess,
    async close() {
      signIn.close();
      valkey.close();
      server.closeAllConnections();
      server.close();
      await Promise.all([keycloak.stop(), valkeyProcess.stop()]);
      await folder.remove();
    },
  };
}
