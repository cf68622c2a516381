import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { openSignIn, type SignIn } from "../sign-in/sign-in.ts";
import { openVisitors } from "./visitor.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A visitor whose way to sign in leads to a provider that answers with `provider`. */
async function visitorOf(provider: RequestListener, whereto?: string) {
  const server = createServer(provider);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const oidc = { issuer: `${base}/realms/lab`, clientId: "lab-server", clientSecret: "secret" };
  const origin = "http://localhost:4700";
  const away = { attempt: () => Promise.reject(new Error("there is no Valkey here")) };
  const signIn: SignIn = openSignIn({ origin, oidc, cookieKeys: ["key"] }, away);
  closing.push(() => {
    signIn.close();
    server.closeAllConnections();
    server.close();
  });
  const asked: string[] = [];
  const http = async (path: string) => {
    asked.push(path);
    return path === "/auth/login"
      ? new Response(null, { status: 303, headers: { location: whereto ?? `${base}/begin` } })
      : new Response("at the app", { status: 200 });
  };
  const user = { name: "ada", password: "a & b" };
  return { visitor: openVisitors({ http, signIn, user, oidc })(), asked };
}

const loginForm =
  '<form id="kc-form-login" method="post" action="/do"><input type="hidden" name="s" value="1"></form>';

test("fills in the login form, hidden fields and cookies included, and comes back to the app", async () => {
  let sent = "";
  const { visitor, asked } = await visitorOf((request, response) => {
    if (request.url === "/begin") {
      response.setHeader("set-cookie", "step=7; path=/");
      response.end(loginForm);
      return;
    }
    request.on("data", (chunk) => {
      sent += String(chunk);
    });
    request.on("end", () => {
      sent += ` ${request.headers.cookie}`;
      response.writeHead(302, { location: "http://localhost:4700/auth/callback?code=c&state=s" });
      response.end();
    });
  });
  const answer = await visitor.attemptSignIn({
    callback: (url) => url.searchParams.set("state", "changed"),
  });
  expect(await answer.text()).toBe("at the app");
  expect(sent).toBe("s=1&username=ada&password=a+%26+b step=7");
  expect(asked).toEqual(["/auth/login", "/auth/callback?code=c&state=changed"]);
});

test.each<[string, RequestListener, string]>([
  ["shows the form again", (_, response) => response.end(loginForm), "the password was refused"],
  ["shows no form", (_, response) => response.end("We are sorry"), "answered 200 without a form"],
  ["fails", (_, response) => response.writeHead(500).end(loginForm), "answered 500 without a form"],
  [
    "goes round in circles",
    (_, response) => response.writeHead(302, { location: "/again" }).end(),
    "went on for too long",
  ],
  [
    "sends people to somebody else",
    (_, response) => response.writeHead(302, { location: "http://127.0.0.2:9/" }).end(),
    "led away to http://127.0.0.2:9",
  ],
])("a provider that %s ends the visit with what it did", async (_name, provider, problem) => {
  const { visitor } = await visitorOf(provider);
  await expect(visitor.attemptSignIn()).rejects.toThrow(problem);
});

test("says no where it shall deny consent", async () => {
  let sent = "";
  const { visitor } = await visitorOf((request, response) => {
    if (request.method === "GET") {
      response.end('<div id="kc-oauth"><form action="/consent"></form></div>');
      return;
    }
    request.on("data", (chunk) => {
      sent += String(chunk);
    });
    request.on("end", () => response.writeHead(302, { location: "http://localhost:4700/" }).end());
  });
  await visitor.attemptSignIn({ deniesConsent: true });
  expect(sent).toBe("cancel=no");
});

test("what the app answers instead of a way to the provider is the answer", async () => {
  const { visitor, asked } = await visitorOf(
    (_, response) => response.end(),
    "http://localhost:4700/",
  );
  expect((await visitor.attemptSignIn()).status).toBe(303);
  expect(asked).toEqual(["/auth/login"]);
});

test("a visitor without a session cannot have it moved into the past", async () => {
  const { visitor } = await visitorOf((_, response) => response.end());
  await expect(async () => visitor.letTimePass(1)).rejects.toThrow("the visitor has no session");
});
