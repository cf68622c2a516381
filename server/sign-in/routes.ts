import type Router from "@koa/router";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import { ATTR_ERROR_TYPE } from "@opentelemetry/semantic-conventions";
import type { Context } from "koa";
import * as oidc from "openid-client";
import { AppError, answerTo } from "../errors.ts";
import { serverSpans } from "../telemetry/server-span.ts";
import type { FreshTokens } from "./fresh-tokens.ts";
import { sessionOver } from "./fresh-tokens.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import { codeOf, isProviderAway, reasonOf } from "./provider-errors.ts";
import { returnPath } from "./return-to.ts";
import { logSecurityEvent } from "./security-events.ts";
import { type PendingSignIn, sessionLimits } from "./session-data.ts";
import { sessionOf } from "./sessions.ts";

const tracer = trace.getTracer("lab-server");
/** Tabs in which somebody may be signing in at the same time. */
const pendingAtMost = 5;

/** What the routes of signing in need. */
export interface SignInParts {
  /** Canonical origin of the page. */
  readonly origin: string;
  readonly provider: IdentityProvider;
  readonly tokens: FreshTokens;
}

/** Signing in and out, and who is signed in. */
export function signInRoutes(router: Router, parts: SignInParts): void {
  router.get("/auth/login", (ctx) => beginSignIn(ctx, parts));
  router.get("/auth/callback", (ctx) => finishSignIn(ctx, parts));
  router.get("/auth/logout", (ctx) => signOut(ctx, parts));
  router.get("/api/me", function me(ctx) {
    const { data, away } = sessionOf(ctx);
    const { user, createdAt } = data;
    ctx.body = {
      user:
        user === undefined
          ? null
          : { id: user.sub, username: user.username, name: user.name, email: user.email },
      session:
        createdAt === undefined
          ? null
          : { since: createdAt, endsAt: createdAt + sessionLimits.absoluteMs },
      degraded: away ? "sessions" : null,
    };
  });
  router.get("/api/account", (ctx) => showAccount(ctx, parts));
}

async function beginSignIn(ctx: Context, { provider }: SignInParts): Promise<void> {
  const session = sessionOf(ctx);
  const returnTo = returnPath(ctx.query.returnTo);
  if (session.away) return unavailable(ctx, sessionsAway, returnTo);
  if (session.data.user !== undefined) return goTo(ctx, returnTo);
  const state = oidc.randomState();
  const pending: PendingSignIn = {
    verifier: oidc.randomPKCECodeVerifier(),
    nonce: oidc.randomNonce(),
    returnTo,
    startedAt: Date.now(),
  };
  let url: URL;
  try {
    url = await provider.signInUrl(pending, state);
  } catch (error) {
    return unavailable(ctx, providerAway(error), returnTo);
  }
  const open = Object.entries(session.data.pending ?? {})
    .filter(([, { startedAt }]) => startedAt > Date.now() - sessionLimits.pendingMs)
    .slice(1 - pendingAtMost);
  try {
    await session.save({
      ...session.data,
      pending: { ...Object.fromEntries(open), [state]: pending },
    });
  } catch {
    return unavailable(ctx, sessionsAway, returnTo);
  }
  goTo(ctx, url.href);
}

async function finishSignIn(ctx: Context, { origin, provider }: SignInParts): Promise<void> {
  const session = sessionOf(ctx);
  if (session.away) return unavailable(ctx, sessionsAway, "/");
  const state = typeof ctx.query.state === "string" ? ctx.query.state : "";
  const { [state]: pending, ...others } = { ...session.data.pending };
  const isKnown = Object.hasOwn(session.data.pending ?? {}, state);
  if (
    pending === undefined ||
    !isKnown ||
    Date.now() - pending.startedAt > sessionLimits.pendingMs
  ) {
    // Somebody meddles: what was begun here is not continued. Who is signed in stays so.
    const { user, pending: begun } = session.data;
    if (user === undefined && begun !== undefined) await session.end().catch(() => {});
    return refuse(ctx, "unknown_state", "/");
  }
  // Whatever comes of it, this state has been used: a second callback with it is a replay.
  const left = { ...session.data, pending: others };
  try {
    const callback = new URL(ctx.originalUrl, origin);
    const { user, tokens } = await tracer.startActiveSpan("redeem authorization code", (span) =>
      provider
        .redeem(callback, pending, state)
        .catch((error: unknown) => {
          span.setAttribute(ATTR_ERROR_TYPE, codeOf(error));
          span.setStatus({ code: SpanStatusCode.ERROR, message: reasonOf(error) });
          throw error;
        })
        .finally(() => span.end()),
    );
    const { pending: _, ...kept } = left;
    try {
      await session.renew({ ...kept, user, tokens, createdAt: Date.now() });
    } catch {
      return unavailable(ctx, sessionsAway, pending.returnTo);
    }
    logSecurityEvent({ name: "auth.signed-in", userId: user.sub });
    goTo(ctx, pending.returnTo);
  } catch (error) {
    const isEmpty = left.user === undefined && Object.keys(others).length === 0;
    await (isEmpty ? session.end() : session.save(left)).catch(() => {});
    if (isProviderAway(error)) unavailable(ctx, providerAway(error), pending.returnTo);
    else refuse(ctx, reasonOf(error), pending.returnTo, codeOf(error));
  }
}

async function signOut(ctx: Context, { provider }: SignInParts): Promise<void> {
  const session = sessionOf(ctx);
  // A link on somebody else's page must not sign anybody out. Programs send no such header.
  if (!["", "same-origin", "none"].includes(ctx.get("sec-fetch-site"))) return goTo(ctx, "/");
  if (session.away) return unavailable(ctx, sessionsAway, "/");
  const { user, tokens } = session.data;
  if (user === undefined) return goTo(ctx, "/");
  try {
    await session.end();
  } catch {
    return unavailable(ctx, sessionsAway, "/");
  }
  logSecurityEvent({ name: "auth.signed-out", userId: user.sub });
  try {
    // The way through the browser ends the provider's session; the tokens die even if it is not gone.
    if (tokens?.refresh !== undefined) await provider.revoke(tokens.refresh);
    goTo(ctx, (await provider.signOutUrl(tokens?.id)).href);
  } catch (error) {
    // Signed out here in any case.
    logSecurityEvent({ name: "auth.degraded", reason: reasonOf(error) });
    goTo(ctx, wantsPage(ctx) ? "/#sign-in=signed-out-here-only" : "/");
  }
}

/** Asks the identity provider in the user's name, so it needs tokens that work. */
async function showAccount(ctx: Context, { provider, tokens }: SignInParts): Promise<void> {
  const session = sessionOf(ctx);
  if (session.away) return unavailable(ctx, sessionsAway, "/");
  if (session.data.user === undefined) throw sessionOver();
  try {
    const { user, tokens: fresh } = await tokens.of(session.id);
    const { sub, username, name, email } = await provider.profile(fresh.access, user.sub);
    ctx.body = { account: { id: sub, username, name, email } };
  } catch (error) {
    if (error instanceof AppError) {
      if (error.status === 401) await session.end().catch(() => {});
      throw error;
    }
    if (!isProviderAway(error)) throw error;
    unavailable(ctx, providerAway(error), "/");
  }
}

interface Trouble {
  readonly code: string;
  readonly errorType: string;
  readonly reason: string;
  readonly error: AppError;
}

const sessionsAway: Trouble = {
  code: "sessions-unavailable",
  errorType: "sessions_unavailable",
  reason: "sessions_unavailable",
  error: new AppError(503, "sessions_unavailable", "Sign-in does not work at the moment.", {
    hint: "Valkey, which keeps the sessions, does not answer. Try again when it is back.",
  }),
};

const providerAway = (error: unknown): Trouble => ({
  code: "identity-provider-unavailable",
  errorType: codeOf(error),
  reason: reasonOf(error),
  error: new AppError(
    503,
    "identity_provider_unavailable",
    "Sign-in does not work at the moment.",
    { hint: "The identity provider does not answer. Who is signed in stays so; try again soon." },
  ),
});

/**
 * Not thrown: an error that leaves a route is reported to Sentry each time, and this one is reported
 * once per outage by whoever noticed it.
 */
function unavailable(
  ctx: Context,
  { code, errorType, reason, error }: Trouble,
  back: string,
): void {
  logSecurityEvent({ name: "auth.degraded", reason });
  const span = serverSpans.of(ctx.req);
  span?.setAttribute(ATTR_ERROR_TYPE, errorType);
  span?.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  tell(ctx, code, error, back);
}

function refuse(ctx: Context, reason: string, back: string, errorType = reason): void {
  logSecurityEvent({ name: "auth.sign-in.refused", reason });
  serverSpans.of(ctx.req)?.setAttribute(ATTR_ERROR_TYPE, errorType);
  const error = new AppError(400, "sign_in_refused", "The sign-in was refused.", {
    hint: "Begin it again.",
  });
  tell(ctx, reason === "access_denied" ? "denied" : "refused", error, back);
}

/** A person is taken back to the page, which says what happened; a program gets the error. */
function tell(ctx: Context, code: string, error: AppError, back: string): void {
  if (wantsPage(ctx)) {
    goTo(ctx, `${back}#sign-in=${code}`);
    return;
  }
  const traceId = serverSpans.of(ctx.req)?.spanContext().traceId;
  const { status, body } = answerTo(error, traceId);
  ctx.status = status;
  ctx.body = body;
}

const wantsPage = (ctx: Context): boolean =>
  ctx.get("sec-fetch-dest") === "document" || ctx.get("accept").includes("text/html");

/** Koa's own `redirect` repeats the address in a body. */
function goTo(ctx: Context, location: string): void {
  ctx.status = 303;
  ctx.set("location", location);
  ctx.body = "";
}
