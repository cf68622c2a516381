import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Router from "@koa/router";
import Koa from "koa";
import { expect, vi } from "vitest";
import type { Visitor } from "#scenarios/edges/visitor.ts";
import { answerErrors } from "../../middleware/answer-errors.ts";
import { type Child, startChild } from "../../testing/child.ts";
import { temporaryFolder } from "../../testing/temporary-folder.ts";
import { openValkey, type Valkey } from "../../valkey/client.ts";
import { openVisitors } from "../../visitor/visitor.ts";
import { signInRoutes } from "../routes.ts";
import { identify } from "../sessions.ts";
import { openSignIn } from "../sign-in.ts";

const clientSecret = "client-secret-of-this-start";
const cookieKeys = ["cookie-key-of-this-test-start"];
const user = { name: "ada", password: "user-password-of-this-start" };
const valkeyPassword = "valkey-password-of-this-start";

/** The app's sign-in in this process, with Valkey and the identity provider in processes of their own. */
export interface SignInApp {
  readonly newVisitor: () => Visitor;
  /** A request without any visitor's cookies. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
  readonly valkey: Valkey;
  readonly valkeyProcess: Child;
  readonly close: () => Promise<void>;
}

export async function startSignInApp(): Promise<SignInApp> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const folder = await temporaryFolder();
  const keycloak = startChild(["lab/standins/keycloak/main.ts"], {
    LAB_KEYCLOAK_PORT: "0",
    LAB_KEYCLOAK_DIR: folder.path,
    LAB_KEYCLOAK_ISSUER: "http://localhost:0/realms/lab",
    LAB_KEYCLOAK_CLIENT: "lab-server",
    LAB_KEYCLOAK_CLIENT_SECRET: clientSecret,
    LAB_ORIGIN: origin,
    LAB_USER_NAME: user.name,
    LAB_USER_PASSWORD: user.password,
  });
  const valkeyProcess = startChild(["lab/standins/valkey/main.ts"], {
    LAB_VALKEY_PORT: "0",
    LAB_VALKEY_PASSWORD: valkeyPassword,
  });
  const { issuer } = await keycloak.line(({ msg }) => msg === "identity provider ready");
  const valkeyPort = await vi.waitFor(
    () => {
      const ports = valkeyProcess.lines.map((line) => /ready on .*:(\d+)$/.exec(line)?.[1]);
      return ports.find(Boolean) ?? expect.fail(valkeyProcess.lines.join("\n"));
    },
    { timeout: 10_000 },
  );
  const valkey = openValkey(`redis://:${valkeyPassword}@127.0.0.1:${valkeyPort}`);
  const oidc = { issuer: String(issuer), clientId: "lab-server", clientSecret };
  const signIn = openSignIn({ origin, oidc, cookieKeys }, valkey);
  const app = new Koa();
  const router = new Router();
  signInRoutes(router, signIn);
  app.use(answerErrors).use(identify(app, signIn)).use(router.routes());
  server.on("request", app.callback());
  const http = (path: string, init?: RequestInit) =>
    fetch(origin + path, { redirect: "manual", ...init });
  return {
    newVisitor: openVisitors({ http, signIn, user, oidc }),
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
