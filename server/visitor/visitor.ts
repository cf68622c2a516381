import { createHmac } from "node:crypto";
import { context, trace } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import type { SignInTampering, Visitor } from "#scenarios/edges/visitor.ts";
import type { ServerEnv } from "../env.ts";
import { newSessionId } from "../sign-in/new-session-id.ts";
import { reasonOf } from "../sign-in/provider-errors.ts";
import { sessionCookie } from "../sign-in/session-cookie.ts";
import type { Tokens } from "../sign-in/session-data.ts";
import type { SignIn } from "../sign-in/sign-in.ts";
import { cookieJar } from "./cookie-jar.ts";
import { formsOf, type HtmlForm } from "./html-form.ts";

const tracer = trace.getTracer("lab-server");
/** Redirects and pages at the identity provider; a sign-in takes four. */
const stepsAtMost = 12;

/** Thrown when somebody on the way did not do what a visitor expects. */
export class VisitError extends Error {
  override readonly name = "VisitError";
}

/** A visitor of the app's own making, who can be made to have never been there. */
export interface PassingVisitor extends Visitor {
  /** Ends what is left of the visit: the session, its tokens, the provider's session. In no trace; never rejects. */
  readonly leave: () => Promise<void>;
}

/** Makes visitors: each with cookies of its own, none at first. */
export function openVisitors(parts: {
  readonly http: (path: string, init?: RequestInit) => Promise<Response>;
  readonly signIn: SignIn;
  readonly user: ServerEnv["user"];
  readonly oidc: ServerEnv["oidc"];
}): () => PassingVisitor {
  return () => visitor(parts);
}

function visitor({ http, signIn, user, oidc }: Parameters<typeof openVisitors>[0]): PassingVisitor {
  const { origin } = signIn;
  const jar = cookieJar();
  const cookie = sessionCookie(origin);
  const issuer = new URL(oidc.issuer);
  /** Every one there was, also those whose cookie was taken back. */
  const sessionIds = new Set<string>();

  /** The app by the address the page has; the request goes straight to this process. */
  async function visit(path: string, init: RequestInit = {}): Promise<Response> {
    const url = new URL(path, origin);
    const answer = await http(path, {
      ...init,
      headers: headersFor(url, init),
      redirect: "manual",
    });
    jar.take(url, answer.headers);
    const id = jar.value(cookie.name);
    if (id !== undefined) sessionIds.add(id);
    return answer;
  }

  let hasBeenAtProvider = false;

  async function atProvider(url: URL, init: RequestInit = {}): Promise<Response> {
    hasBeenAtProvider = true;
    if (url.host !== issuer.host) throw new VisitError(`led away to ${url.origin}`);
    const answer = await fetch(url, {
      ...init,
      headers: headersFor(url, init),
      redirect: "manual",
    });
    jar.take(url, answer.headers);
    return answer;
  }

  function headersFor(url: URL, init: RequestInit): Headers {
    const headers = new Headers(init.headers);
    const cookies = jar.header(url);
    if (cookies !== undefined) headers.set("cookie", cookies);
    return headers;
  }

  /** Goes through the provider's redirects and forms until they lead back to the app; resolves with that address. */
  async function passProvider(start: URL, deniesConsent = false): Promise<URL> {
    let url = start;
    let init: RequestInit = {};
    let isFilledIn = false;
    for (let step = 0; step < stepsAtMost; step++) {
      const answer = await atProvider(url, init);
      const location = answer.headers.get("location");
      if (location !== null) {
        await answer.body?.cancel();
        url = new URL(location, url);
        init = {};
        if (url.origin === origin) return url;
        continue;
      }
      const page = await answer.text();
      const form = formsOf(page)[0];
      const fields = form === undefined ? undefined : fieldsFor(form, page, deniesConsent);
      if (form === undefined || fields === undefined || !answer.ok)
        throw new VisitError(`the provider answered ${answer.status} without a form to fill in`);
      if (form.id === "kc-form-login" && isFilledIn)
        throw new VisitError("the password was refused");
      isFilledIn ||= form.id === "kc-form-login";
      url = new URL(form.action, url);
      init = {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ ...form.hidden, ...fields }).toString(),
      };
    }
    throw new VisitError("the provider went on for too long");
  }

  /** Keycloak gives ids to the login form, and to what is around or inside of its other forms. */
  function fieldsFor(
    form: HtmlForm,
    page: string,
    deniesConsent: boolean,
  ): Record<string, string> | undefined {
    if (form.id === "kc-form-login") return { username: user.name, password: user.password };
    // The stand-in's name for the button, and Keycloak's.
    if (page.includes('id="kc-logout"')) return { logout: "yes", confirmLogout: "yes" };
    if (page.includes('id="kc-oauth"')) return deniesConsent ? { cancel: "no" } : { accept: "yes" };
    return undefined;
  }

  const attemptSignIn = (tampering: SignInTampering = {}, from?: string): Promise<Response> =>
    tracer.startActiveSpan("visitor signs in", async (span) => {
      try {
        const query = from === undefined ? "" : `?${new URLSearchParams({ returnTo: from })}`;
        const begun = await visit(`/auth/login${query}`);
        const location = begun.headers.get("location");
        if (begun.status !== 303 || location === null) return begun;
        await begun.body?.cancel();
        const request = new URL(location, origin);
        if (request.origin === origin) return begun;
        tampering.request?.(request);
        const callback = await passProvider(request, tampering.deniesConsent);
        await tampering.callback?.(callback);
        return await visit(callback.pathname + callback.search);
      } finally {
        span.end();
      }
    });

  const sessionId = (): string => {
    const id = jar.value(cookie.name);
    if (id === undefined) throw new VisitError("the visitor has no session");
    return id;
  };

  return {
    http: visit,
    attemptSignIn: (tampering) => attemptSignIn(tampering),
    async signIn(from) {
      const answer = await attemptSignIn({}, from);
      await answer.body?.cancel();
      const location = answer.headers.get("location");
      if (answer.status !== 303 || location === null)
        throw new VisitError(`the sign-in was answered ${answer.status}`);
      const { pathname, search } = new URL(location, origin);
      return pathname + search;
    },
    signOut: () =>
      tracer.startActiveSpan("visitor signs out", async (span) => {
        try {
          const answer = await visit("/auth/logout");
          const location = answer.headers.get("location");
          await answer.body?.cancel();
          if (location === null) throw new VisitError(`the sign-out was answered ${answer.status}`);
          const url = new URL(location, origin);
          if (url.origin !== origin) await passProvider(url);
        } finally {
          span.end();
        }
      }),
    cookies: jar.names,
    loseSession: async () => signIn.store.remove(sessionId()),
    leave: () =>
      context.with(suppressTracing(context.active()), async () => {
        let tokens: Tokens | undefined;
        for (const id of sessionIds) {
          const stored = await signIn.store.read(id).catch(() => undefined);
          if (stored?.kind === "found") tokens = stored.data.tokens;
          await signIn.store.remove(id).catch(() => {});
        }
        if (!hasBeenAtProvider) return;
        const { provider } = signIn;
        if (tokens?.refresh !== undefined) await provider.revoke(tokens.refresh).catch(() => {});
        await provider
          .signOutUrl(tokens?.id)
          .then((url) => passProvider(url))
          .catch(() => {});
      }),
    letTimePass: (ms, { inUse } = { inUse: false }) => signIn.store.age(sessionId(), ms, inUse),
    async comeSignedIn() {
      const id = newSessionId();
      sessionIds.add(id);
      // As koa's cookies are signed (https://github.com/crypto-utils/keygrip).
      const signature = createHmac("sha1", signIn.cookieKeys[0] ?? "")
        .update(`${cookie.name}=${id}`)
        .digest("base64url");
      const headers = new Headers();
      headers.append("set-cookie", `${cookie.name}=${id}; path=/`);
      headers.append("set-cookie", `${cookie.name}.sig=${signature}; path=/`);
      jar.take(new URL(origin), headers);
      await signIn.store.write(id, {
        user: { sub: guestSub, username: user.name, name: user.name, email: "" },
        createdAt: Date.now(),
      });
    },
    async copyRefreshToken() {
      const stored = await signIn.store.read(sessionId());
      const tokens = stored.kind === "found" ? stored.data.tokens : undefined;
      if (tokens === undefined) throw new VisitError("the visitor has no tokens");
      return {
        redeem: () =>
          signIn.provider.refresh(tokens).then(
            () => "accepted",
            (error: unknown) => reasonOf(error),
          ),
      };
    },
  };
}

/** Of a visitor who was signed in without the provider. */
const guestSub = "visitor";
