import { expect, test } from "vitest";
import { redactUrl } from "./redact.ts";

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
  ["http://ann:secret@localhost/x#token=1", "http://localhost/x"],
  ["/api/me?access_token=1&page=2", "/api/me?access_token=REDACTED&page=2"],
  ["/api/countries?country_code=de", "/api/countries?country_code=de"],
  ["http://[broken", "http://[broken"],
])("%s becomes %s", (url, redacted) => {
  expect(redactUrl(url)).toBe(redacted);
});
