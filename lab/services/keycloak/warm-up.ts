import { createHash, randomBytes } from "node:crypto";
import { oidcClientId } from "../accounts.ts";

/**
 * Lets an identity provider show its sign-in page for nobody: a Java machine needs seconds for what
 * it does for the first time, and the app waits for 1.5. What goes wrong here shows there.
 */
export async function warmUp(
  { port, origin }: { readonly port: number; readonly origin: string },
  signal: AbortSignal,
): Promise<void> {
  const base = `http://127.0.0.1:${port}/realms/lab/protocol/openid-connect`;
  const challenge = createHash("sha256").update(randomBytes(32)).digest("base64url");
  const question = new URLSearchParams({
    client_id: oidcClientId,
    response_type: "code",
    scope: "openid profile email",
    redirect_uri: `${origin}/auth/callback`,
    code_challenge: challenge,
    code_challenge_method: "S256",
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(15_000)]);
  for (const url of [`${base}/certs`, `${base}/auth?${question}`, `${base}/auth?${question}`])
    await fetch(url, { redirect: "manual", signal: limit }).then(
      (answer) => answer.arrayBuffer(),
      () => {},
    );
}
