import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { escapeHtml } from "#lab/escape-html.ts";
import { stylePath } from "./page-assets.ts";

/** What every page has to know. */
export interface PageContext {
  /** The app: forms end there by way of redirects, which the policy has to allow. */
  readonly appOrigin: string;
}

/** The part of a Koa context that pages write to. */
interface PageTarget {
  type: string;
  status: number;
  body: unknown;
  readonly set: (name: string, value: string) => void;
}

/** A page with the headers it needs. */
export interface RenderedPage {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The lab's mark: three spans of a trace. */
const mark = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2.5 3.5h8M5 8h8.5M7.5 12.5h4"/></svg>`;

function render(page: PageContext, title: string, body: string, script?: string): RenderedPage {
  const nonce = randomBytes(16).toString("base64");
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "font-src 'self'",
    ...(script === undefined ? [] : [`script-src 'nonce-${nonce}'`]),
    // Chromium applies it to the redirects that follow a form, too.
    `form-action 'self' ${page.appOrigin}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  const scripted = script === undefined ? "" : `<script nonce="${nonce}">${script}</script>`;
  return {
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="${stylePath}">
</head>
<body>
<header>${mark}<span>Observability Lab</span></header>
<main>
${body}
</main>
<footer>Keycloak stand-in of this lab, realm <code>lab</code></footer>
${scripted}</body>
</html>
`,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy.join("; "),
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
    },
  };
}

const alertOf = (text: string): string =>
  text === "" ? "" : `<p class="alert" role="alert" id="input-error">${escapeHtml(text)}</p>`;

/** Field ids are those of Keycloak's own theme. */
export const signInPage = (
  page: PageContext,
  form: {
    readonly action: string;
    readonly username: string;
    readonly password: string;
    readonly problem: string;
  },
): RenderedPage =>
  render(
    page,
    "Sign in to the shop",
    `<h1 id="kc-page-title">Sign in to the shop</h1>
${alertOf(form.problem)}
<form id="kc-form-login" method="post" action="${escapeHtml(form.action)}">
<label for="username">User name</label>
<input id="username" name="username" value="${escapeHtml(form.username)}" autocomplete="username" autocapitalize="none" spellcheck="false" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" value="${escapeHtml(form.password)}" autocomplete="current-password" required${form.problem ? " autofocus" : ""}>
<button id="kc-login" name="login" type="submit"${form.problem ? "" : " autofocus"}>Sign in</button>
</form>
<p class="note">${form.problem ? "" : "The lab's throw-away user is filled in. "}The account menu of the lab shows name and password.</p>`,
  );

const scopeWords: Readonly<Record<string, string>> = {
  openid: "know that it is you",
  profile: "read your name",
  email: "read your e-mail address",
  offline_access: "stay signed in while you are away",
};

/** Asked with `prompt=consent` only. */
export const consentPage = (
  page: PageContext,
  form: { readonly action: string; readonly scopes: readonly string[] },
): RenderedPage =>
  render(
    page,
    "Allow the shop?",
    `<h1 id="kc-page-title">Allow the shop?</h1>
<p>The shop would like to</p>
<ul>${form.scopes.map((scope) => `<li>${escapeHtml(scopeWords[scope] ?? scope)}</li>`).join("")}</ul>
<form id="kc-oauth" method="post" action="${escapeHtml(form.action)}">
<div class="choice">
<button id="kc-login" name="accept" value="yes" type="submit" autofocus>Allow</button>
<button id="kc-cancel" name="cancel" value="no" type="submit" class="plain">Deny</button>
</div>
</form>`,
  );

export const errorPage = (
  page: PageContext,
  problem: { readonly title: string; readonly text: string },
): RenderedPage =>
  render(
    page,
    problem.title,
    `<h1 id="kc-page-title">${escapeHtml(problem.title)}</h1>
${alertOf(problem.text)}
<p><a class="button" href="${escapeHtml(page.appOrigin)}/" id="backToApplication">Back to the lab</a></p>`,
  );

function send(target: PageTarget, { html, headers }: RenderedPage): void {
  for (const [name, value] of Object.entries(headers)) target.set(name, value);
  target.body = html;
}

/** Answers a request outside the provider. */
export function answerPage(
  response: ServerResponse,
  status: number,
  { html, headers }: RenderedPage,
): void {
  response.writeHead(status, { ...headers, "content-length": String(Buffer.byteLength(html)) });
  response.end(html);
}

/** Pages that the provider shows by itself. */
export const pages = {
  /** @param form the provider's own form, without buttons. */
  signOut(target: PageTarget, page: PageContext, form: string, certain: boolean): void {
    // Whoever brings the user's ID token speaks for the user; anybody else could be a link on some page.
    const script = certain ? "document.getElementById('kc-logout').click();" : undefined;
    const id = /<form[^>]*id="([^"]+)"/.exec(form)?.[1] ?? "op.logoutForm";
    send(
      target,
      render(
        page,
        "Sign out",
        `<h1 id="kc-page-title">Sign out</h1>
<p>${certain ? "Signing you out of the shop and of this provider." : "Do you want to sign out of this provider?"}</p>
${form}
<div class="choice">
<button id="kc-logout" type="submit" form="${escapeHtml(id)}" name="logout" value="yes" autofocus>Sign out</button>
<a class="button plain" href="${escapeHtml(page.appOrigin)}/">Stay signed in</a>
</div>`,
        script,
      ),
    );
  },
  signedOut(target: PageTarget, page: PageContext): void {
    send(
      target,
      render(
        page,
        "Signed out",
        `<h1 id="kc-page-title">You are signed out</h1>
<p><a class="button" href="${escapeHtml(page.appOrigin)}/" id="backToApplication">Back to the lab</a></p>`,
      ),
    );
  },
  error(
    target: PageTarget,
    page: PageContext,
    out: { readonly error: string; readonly error_description?: string },
  ): void {
    const text = out.error_description ?? out.error;
    send(target, errorPage(page, { title: "This request cannot be served", text }));
  },
};
