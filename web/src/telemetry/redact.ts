import type { SpanProcessor } from "@opentelemetry/sdk-trace-web";
import { ATTR_URL_FULL } from "@opentelemetry/semantic-conventions";

const secretName =
  /^(access_token|auth|code|id_token|key|password|secret|signature|sig|state|token)$|signature|token|secret|credential|accesskeyid|googleaccessid/i;

/**
 * `url` with the values of query parameters that may be credentials replaced, and without user
 * info and fragment. Text that is no URL comes back as it is.
 */
export function redactUrl(url: string, base = "http://localhost"): string {
  if (!URL.canParse(url, base)) return url;
  const parsed = new URL(url, base);
  for (const name of new Set(parsed.searchParams.keys())) {
    if (secretName.test(name)) parsed.searchParams.set(name, "REDACTED");
  }
  parsed.username = "";
  parsed.password = "";
  parsed.hash = "";
  return URL.canParse(url) ? parsed.href : `${parsed.pathname}${parsed.search}`;
}

/** Redacts `url.full` when a span starts: at its end it can no longer be changed. */
export const redactUrls: SpanProcessor = {
  onStart: (span) => {
    const url = span.attributes[ATTR_URL_FULL];
    if (typeof url === "string") span.setAttribute(ATTR_URL_FULL, redactUrl(url));
  },
  onEnd: () => undefined,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};
