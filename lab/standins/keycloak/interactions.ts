import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type Provider from "oidc-provider";
import type { InteractionDetails } from "oidc-provider";
import { answerPage, consentPage, errorPage, type PageContext, signInPage } from "./pages.ts";
import { interactionPath } from "./provider.ts";
import type { SeededUser } from "./settings.ts";

/** Bytes a form may have. */
const formLimit = 16 * 1024;

/**
 * The steps in which a person takes part: the password, and consent where it is asked for. The
 * provider remembers the step in a cookie, so its address alone is worth nothing.
 */
export function interactions(provider: Provider, user: SeededUser, page: PageContext) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const details = await provider.interactionDetails(request, response).catch(() => undefined);
    if (details === undefined) {
      const text = "The sign-in took too long, or its cookie is gone. Begin it anew in the lab.";
      answerPage(response, 400, errorPage(page, { title: "This sign-in is over", text }));
      return;
    }
    if (request.method !== "POST") {
      answerPage(
        response,
        200,
        step(details, page, user, { username: user.username, problem: "" }),
      );
      return;
    }
    const form = await readForm(request);
    if (form === undefined) {
      const text = "The form is larger than any this page has.";
      answerPage(response, 413, errorPage(page, { title: "Too large", text }));
      return;
    }
    switch (details.prompt.name) {
      case "consent":
        await decide(provider, request, response, details, form.has("accept"));
        break;
      case "login": {
        const username = form.get("username") ?? "";
        if (same(username, user.username) && same(form.get("password") ?? "", user.password)) {
          const login = { accountId: user.sub, remember: true };
          await provider.interactionFinished(
            request,
            response,
            { login },
            { mergeWithLastSubmission: false },
          );
          break;
        }
        const problem = "Invalid username or password.";
        // 200, as Keycloak: to a browser it is the same page again.
        answerPage(response, 200, step(details, page, user, { username, problem }));
        break;
      }
    }
  };
}

function step(
  { uid, prompt, params }: InteractionDetails,
  page: PageContext,
  user: SeededUser,
  form: { readonly username: string; readonly problem: string },
) {
  const action = `${interactionPath}/${uid}`;
  switch (prompt.name) {
    case "login":
      // Typing a random password by hand is nobody's idea of a test; after a mistake it is their turn.
      return signInPage(page, { ...form, action, password: form.problem ? "" : user.password });
    case "consent":
      return consentPage(page, { action, scopes: String(params.scope ?? "").split(" ") });
  }
}

async function decide(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  { grantId, params, session }: InteractionDetails,
  accepted: boolean,
): Promise<void> {
  if (!accepted) {
    const result = { error: "access_denied", error_description: "The user denied the request" };
    await provider.interactionFinished(request, response, result);
    return;
  }
  const known = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const grant =
    known ??
    new provider.Grant({
      clientId: String(params.client_id),
      accountId: session?.accountId ?? "",
    });
  grant.addOIDCScope(String(params.scope ?? "openid"));
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { consent });
}

/** Undefined when it is too large. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > formLimit) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}

/** In constant time, lengths included. */
const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
