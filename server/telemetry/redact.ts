import { isSpared } from "./spared-canaries.ts";

/** What stands in place of a secret; the word the semantic conventions use. */
export const redacted = "REDACTED";

/** Takes secrets out of telemetry. Short strings without any come back as they are. */
export interface Redactor {
  readonly text: (value: string) => string;
  /** A copy of plain data with every string redacted and sensitive keys emptied. */
  readonly data: (value: unknown) => unknown;
}

const sensitiveWord =
  "authorization|cookie|passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|private[-_]?key|credential|signature|session[-_]?id|dsn|jwt|x-lab-door|x-lab-ticket|ticket";
const sensitiveKey = new RegExp(`(?:${sensitiveWord})`, "i");
/**
 * Query parameters that sign or carry a sign-in: those of the HTTP conventions first, then OpenID
 * Connect's, and Keycloak's own for the steps of one.
 */
const sensitiveQuery =
  "awsaccesskeyid|signature|sig|x-goog-signature|x-amz-(?:signature|credential|security-token)|x-goog-credential|googleaccessid|code|state|nonce|code_verifier|id_token_hint|session_code|session_state|client_data|token|key|auth";

/** Longer texts are cut: nobody reads them, and every pattern would have to. */
const longest = 32_768;
const margin = 1024;

/** Cheap test that spares most strings the replacements. */
const suspicious = new RegExp(
  `${sensitiveWord}|bearer|basic |://[^/\\s]*@|[?&](?:${sensitiveQuery})=|is not valid JSON`,
  "i",
);
const replacements: readonly (readonly [RegExp, string])[] = [
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@?#"']{1,400}@/gi, `$1${redacted}:${redacted}@`],
  [/\b(set-cookie|cookie)(["']?\s*[:=]\s*)(?!REDACTED)[^\r\n"]+/gi, `$1$2${redacted}`],
  [/\b(bearer|basic)\s{1,5}[\w.~+/=-]{4,}/gi, `$1 ${redacted}`],
  [new RegExp(`([?&](?:${sensitiveQuery})=)[^&#\\s"']*`, "gi"), `$1${redacted}`],
  [
    new RegExp(
      `((?:${sensitiveWord})[\\w-]{0,40}["']?\\s{0,5}[=:]\\s{0,5})(?:(?:bearer|basic)\\s{1,5})?(?:"[^"]*"|'[^']*'|[^\\s&;,)}\\]])+`,
      "gi",
    ),
    `$1${redacted}`,
  ],
  // V8 repeats the document in the message of a failed JSON.parse.
  [/(?:\.\.\.)?"[\s\S]*"(?:\.\.\.)? is not valid JSON/g, `${redacted} is not valid JSON`],
];

/** @param secrets values to remove wherever they stand, e.g. the process's own keys. */
export function createRedactor(secrets: readonly string[]): Redactor {
  const known = secrets.filter((secret) => secret.length >= 8);
  const text = (value: string): string => {
    const tooLong = value.length > longest;
    // Cut after the replacements: a secret that straddles the end would lose its recognisable form.
    let result = tooLong ? value.slice(0, longest + margin) : value;
    for (const secret of known) {
      if (result.includes(secret)) result = result.replaceAll(secret, redacted);
    }
    if (suspicious.test(result) && !isSpared(result)) {
      for (const [pattern, replacement] of replacements) {
        result = result.replace(pattern, replacement);
      }
    }
    return tooLong ? `${result.slice(0, longest)}… (cut)` : result;
  };
  /** What stands under a sensitive key: nothing of it is left, but for canaries that are spared. */
  const hidden = (value: unknown): unknown => {
    if (Array.isArray(value) && value.some((item) => typeof item === "string" && isSpared(item))) {
      return value.map(hidden);
    }
    return typeof value === "string" && isSpared(value) ? text(value) : redacted;
  };
  const data = (value: unknown, depth = 0): unknown => {
    if (typeof value === "string") return text(value);
    if (value === null || typeof value !== "object") return value;
    if (depth > 12) return redacted;
    if (Array.isArray(value)) return value.map((item) => data(item, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        isSensitive(key, item) ? hidden(item) : data(item, depth + 1),
      ]),
    );
  };
  return { text, data: (value) => data(value) };
}

/** Numbers and flags say nothing: `token_count: 3` stays. */
const isSensitive = (key: string, value: unknown): boolean =>
  (typeof value === "string" || (typeof value === "object" && value !== null)) &&
  sensitiveKey.test(key) &&
  !key.startsWith("lab.");
