import type { IncomingHttpHeaders } from "node:http";
import type { Answer } from "./call.ts";
import type { CorsRule } from "./storage.ts";

type Headers = NonNullable<Answer["headers"]>;

/** What scripts may read of an answer when nobody said otherwise. */
const exposed =
  "ETag, Content-Length, Content-Range, x-amz-request-id, x-amz-version-id, x-amz-mp-parts-count";

/** `*` stands for any text, once. */
const fits = (pattern: string, text: string): boolean => {
  const [start = "", end, ...more] = pattern.split("*");
  if (end === undefined) return pattern === text;
  return (
    more.length === 0 &&
    text.length >= start.length + end.length &&
    text.startsWith(start) &&
    text.endsWith(end)
  );
};

/**
 * Headers that let a page read an answer. Only pages of `allowedOrigin` may, whatever a bucket's own
 * rules say; those can only forbid more.
 * @param method of the request to come when this is a preflight.
 * @returns undefined when the page may not.
 */
export function corsHeaders(
  headers: IncomingHttpHeaders,
  options: {
    readonly allowedOrigin: string;
    readonly rules: readonly CorsRule[];
    readonly method: string;
  },
): Headers | undefined {
  const { origin } = headers;
  const { allowedOrigin, rules, method } = options;
  if (origin === undefined || origin !== allowedOrigin) return undefined;
  const asked = String(headers["access-control-request-headers"] ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter(Boolean);
  const open: CorsRule = {
    origins: [origin],
    methods: [method],
    headers: ["*"],
    exposed: [],
    maxAgeSeconds: 600,
  };
  const rule = (rules.length === 0 ? [open] : rules).find(
    (candidate) =>
      candidate.origins.some((pattern) => fits(pattern, origin)) &&
      candidate.methods.includes(method) &&
      asked.every((name) => candidate.headers.some((pattern) => fits(pattern.toLowerCase(), name))),
  );
  if (rule === undefined) return undefined;
  return {
    "access-control-allow-origin": origin,
    "access-control-expose-headers": rule.exposed.length > 0 ? rule.exposed.join(", ") : exposed,
    vary: "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    ...(headers["access-control-request-method"] === undefined
      ? {}
      : {
          "access-control-allow-methods": rule.methods.join(", "),
          "access-control-allow-headers": asked.length > 0 ? asked.join(", ") : undefined,
          "access-control-max-age":
            rule.maxAgeSeconds === undefined ? undefined : String(rule.maxAgeSeconds),
        }),
  };
}
