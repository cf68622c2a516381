import type { SpanProcessor } from "@opentelemetry/sdk-trace-web";
import { ATTR_URL_FULL } from "@opentelemetry/semantic-conventions";
import { holdsCanary } from "#scenarios/names.ts";

const secretName =
  /^(access_token|auth|client_data|code|code_verifier|id_token|key|nonce|password|secret|session_code|session_state|signature|sig|state|token)$|signature|token|secret|credential|accesskeyid|googleaccessid/i;

const redacted = "REDACTED";

let sparedRun: string | undefined;

/** Leaves the canaries of this run as they are: its control shows what is hidden elsewhere. */
export const spareCanaries = (runId: string): void => {
  sparedRun = runId;
};
const isSpared = (text: string): boolean => sparedRun !== undefined && holdsCanary(text, sparedRun);

/**
 * `url` with the values of query parameters that may be credentials replaced, and without user
 * info and fragment. Text that is no URL comes back as it is.
 */
export function redactUrl(url: string, base = "http://localhost"): string {
  if (!URL.canParse(url, base) || isSpared(url)) return url;
  const parsed = new URL(url, base);
  for (const name of new Set(parsed.searchParams.keys())) {
    if (secretName.test(name)) parsed.searchParams.set(name, redacted);
  }
  parsed.username = "";
  parsed.password = "";
  parsed.hash = "";
  return URL.canParse(url) ? parsed.href : `${parsed.pathname}${parsed.search}`;
}

/** A text, such as an error's message, with the secrets in its URLs, headers and `name=value` pairs replaced. */
export function redactText(text: string): string {
  if (isSpared(text)) return text;
  return text
    .replace(/\bhttps?:\/\/[^\s"'<>]+/gi, (url) => redactUrl(url))
    .replace(/\b(bearer|basic)\s{1,5}[\w.~+/=-]{4,}/gi, `$1 ${redacted}`)
    .replace(
      /\b([\w-]{0,40}(?:passw(?:or)?d|secret|token|api[-_]?key|signature|credential|session[-_]?id|cookie)[\w-]{0,40}["']?\s{0,5}[=:]\s{0,5}["']?)(?!REDACTED)[^\s"'&,;)}]+/gi,
      `$1${redacted}`,
    );
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
