import { expect, test } from "vitest";
import { canaryOf } from "#scenarios/names.ts";
import { redactText, redactUrl, spareCanaries } from "./redact.ts";

test.each([
  [
    "http://localhost:4700/auth/callback?code=abc&state=xyz&lang=en",
    "http://localhost:4700/auth/callback?code=REDACTED&state=REDACTED&lang=en",
  ],
  [
    "http://s3.local/k?X-Amz-Signature=abc&X-Amz-Security-Token=t&X-Amz-Credential=lab%2F2026&X-Amz-Expires=9",
    "http://s3.local/k?X-Amz-Signature=REDACTED&X-Amz-Security-Token=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Expires=9",
  ],
  [
    "https://b.local/k?AWSAccessKeyId=a&Signature=b&Expires=1",
    "https://b.local/k?AWSAccessKeyId=REDACTED&Signature=REDACTED&Expires=1",
  ],
  [
    "http://localhost:4700/auth?client_id=shop&nonce=a&state=b&code_challenge=c",
    "http://localhost:4700/auth?client_id=shop&nonce=REDACTED&state=REDACTED&code_challenge=c",
  ],
  [
    "http://localhost:4700/x?session_code=a&tab_id=b&code_verifier=c&id_token_hint=d",
    "http://localhost:4700/x?session_code=REDACTED&tab_id=b&code_verifier=REDACTED&id_token_hint=REDACTED",
  ],
  ["http://ann:secret@localhost/x#token=1", "http://localhost/x"],
  ["/api/me?access_token=1&page=2", "/api/me?access_token=REDACTED&page=2"],
  ["/api/countries?country_code=de", "/api/countries?country_code=de"],
  ["http://[broken", "http://[broken"],
])("%s becomes %s", (url, redacted) => {
  expect(redactUrl(url)).toBe(redacted);
});

test.each([
  [
    "could not open https://b.local/k?X-Amz-Signature=abc&v=1 twice",
    "could not open https://b.local/k?X-Amz-Signature=REDACTED&v=1 twice",
  ],
  ["401 for Bearer abcd.efgh", "401 for Bearer REDACTED"],
  ["refresh_token=abc, page 2", "refresh_token=REDACTED, page 2"],
  ["a cookie is a small text", "a cookie is a small text"],
])("a text %s becomes %s", (text, redacted) => {
  expect(redactText(text)).toBe(redacted);
});

test("only the canaries of a spared run stay", () => {
  const [own, other] = ["01ky6h3w9t2v5x8z1b4d7f0gaa", "01ky6h3w9t2v5x8z1b4d7f0gbb"];
  spareCanaries(own);
  const [kept, hidden] = [own, other].map((runId) => `token=${canaryOf("page", runId)}`);
  expect(redactText(kept ?? "")).toBe(kept);
  expect(redactText(hidden ?? "")).toBe("token=REDACTED");
  expect(redactText(`token=${own}`)).toBe("token=REDACTED");
});
