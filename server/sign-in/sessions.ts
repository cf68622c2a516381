import { context } from "@opentelemetry/api";
import type Koa from "koa";
import type { Context, Middleware } from "koa";
import { createSession } from "koa-session";
import { attribute } from "#scenarios/names.ts";
import { Sentry } from "../telemetry/sentry-sdk.ts";
import { serverSpans } from "../telemetry/server-span.ts";
import { userAttributes, withUser } from "../telemetry/user.ts";
import { newSessionId } from "./new-session-id.ts";
import { logSecurityEvent } from "./security-events.ts";
import { sessionCookie } from "./session-cookie.ts";
import type { SessionData } from "./session-data.ts";
import { cookieLifeMs, type SessionStore } from "./session-store.ts";

/** The session of a request. Nothing is written unless {@link save}, {@link renew} or {@link end} is called. */
export interface RequestSession {
  readonly data: SessionData;
  /** The id in the cookie. */
  readonly id: string;
  /** Valkey did not answer: who this is cannot be told, and nobody can sign in. */
  readonly away: boolean;
  /** @throws when Valkey is away. */
  readonly save: (data: SessionData) => Promise<void>;
  /** Saves it under a new id; the old one is dead. @throws when Valkey is away. */
  readonly renew: (data: SessionData) => Promise<void>;
  /** @throws when Valkey is away. */
  readonly end: () => Promise<void>;
}

/** koa-session's model, as far as it is used. */
interface Model {
  readonly externalKey: string;
  readonly toJSON: () => Record<string, unknown>;
  readonly regenerate: () => Promise<void>;
  readonly save: () => Promise<void>;
  readonly manuallyCommit: () => Promise<void>;
}
interface ModelHolder {
  session: Model | null;
}

/** How loading went, told by the store to the middleware by way of the request's state. */
interface Loading {
  away?: boolean;
  lost?: string;
}

const isSessionPath = (path: string): boolean => /^\/(?:api|auth)\//.test(path);
/**
 * What a page sends while it goes away. Whoever goes to sign in may have a new cookie before such a
 * request is answered: an answer that takes the old one back would take that.
 */
const outlivesPage = (path: string): boolean => path === "/api/vitals";

/**
 * Tells who sends a request, and puts that on spans, logs and Sentry events of its work. Never
 * fails: without Valkey everybody is a guest for the time being.
 */
export function identify(
  app: Koa,
  options: {
    readonly origin: string;
    readonly cookieKeys: readonly string[];
    readonly store: SessionStore;
  },
): Middleware {
  const { store } = options;
  const cookie = sessionCookie(options.origin);
  app.keys = [...options.cookieKeys];
  const loadSession = createSession(
    {
      key: cookie.name,
      maxAge: cookieLifeMs,
      // Every write is somebody's decision here: see RequestSession.
      autoCommit: false,
      httpOnly: true,
      overwrite: true,
      signed: true,
      rolling: false,
      renew: false,
      sameSite: "lax",
      secure: cookie.secure,
      genid: newSessionId,
      store: {
        get: (id, _maxAge, { ctx }) => load(store, id, ctx as Context),
        set: (id, data) => store.write(id, dataOf(data)),
        destroy: (id) => store.remove(id),
      },
    },
    app,
  ) as unknown as Middleware;

  return async function identifyUser(ctx, next) {
    if (!isSessionPath(ctx.path)) return next();
    // The front door may have ended TLS: without this Koa refuses to set a Secure cookie.
    if (cookie.secure) ctx.cookies.secure = true;
    return loadSession(ctx, () => {
      const { away, lost } = loadingOf(ctx);
      if (away) serverSpans.of(ctx.req)?.setAttribute(attribute.degraded, true);
      if (lost !== undefined && !outlivesPage(ctx.path)) {
        logSecurityEvent({ name: "auth.session.expired", reason: lost });
        ctx.cookies.set(cookie.name, null, { signed: true, overwrite: true });
      }
      const { user } = sessionOf(ctx).data;
      if (user === undefined) return next();
      const known = withUser(context.active(), user.sub);
      serverSpans.of(ctx.req)?.setAttributes(userAttributes(known));
      Sentry.getIsolationScope().setUser({ id: user.sub });
      return context.with(known, next);
    });
  };
}

async function load(
  store: SessionStore,
  id: string,
  ctx: Context,
): Promise<SessionData | undefined> {
  const loading = loadingOf(ctx);
  try {
    const stored = await store.read(id);
    if (stored.kind === "found") return stored.data;
    loading.lost = stored.reason;
  } catch {
    loading.away = true;
  }
  return undefined;
}

function loadingOf(ctx: Pick<Context, "state">): Loading {
  ctx.state.sessionLoading ??= {};
  return ctx.state.sessionLoading as Loading;
}

/** The session of a request that passed {@link identify}. */
export function sessionOf(ctx: Context): RequestSession {
  const holder = ctx as unknown as ModelHolder;
  const model = holder.session;
  const fill = (data: SessionData): Model => {
    // Replaces the model: assigning to it would keep fields that the new data no longer has.
    holder.session = data as unknown as Model;
    return holder.session;
  };
  return {
    data: model === null ? {} : dataOf(model.toJSON()),
    id: model?.externalKey ?? "",
    away: loadingOf(ctx).away ?? false,
    save: (data) => fill(data).save(),
    // Without `await` by the caller the answer would be out before the cookie is set.
    renew: (data) => fill(data).regenerate(),
    async end() {
      holder.session = null;
      await model?.manuallyCommit();
    },
  };
}

const dataOf = (fields: Record<string, unknown>): SessionData => fields as SessionData;
