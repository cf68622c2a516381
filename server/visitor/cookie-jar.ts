/** Cookies as a browser keeps them: by name, host and path. Ports make no difference (RFC 6265, 8.5). */
export interface CookieJar {
  /** Takes in the `Set-Cookie` headers of an answer. */
  readonly take: (url: URL, headers: Headers) => void;
  /** Value of the `Cookie` header; undefined when none fits. */
  readonly header: (url: URL) => string | undefined;
  readonly value: (name: string) => string | undefined;
  /** Sorted. */
  readonly names: () => readonly string[];
}

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly host: string;
  readonly path: string;
  readonly secure: boolean;
}

/** Makes an empty jar. Cookies for a `Domain` are not among what the lab's services set, and are refused. */
export function cookieJar(): CookieJar {
  const cookies = new Map<string, Cookie>();
  return {
    take(url, headers) {
      for (const line of headers.getSetCookie()) {
        const parsed = parse(line, url);
        if (parsed === undefined) continue;
        const { cookie, dead } = parsed;
        const key = `${cookie.host} ${cookie.path} ${cookie.name}`;
        if (dead) cookies.delete(key);
        else cookies.set(key, cookie);
      }
    },
    header(url) {
      const fitting = [...cookies.values()]
        .filter(
          ({ host, path, secure }) =>
            host === url.hostname &&
            within(url.pathname, path) &&
            (!secure || url.protocol === "https:" || url.hostname === "localhost"),
        )
        .sort((a, b) => b.path.length - a.path.length);
      return fitting.length === 0
        ? undefined
        : fitting.map(({ name, value }) => `${name}=${value}`).join("; ");
    },
    value: (name) => [...cookies.values()].find((cookie) => cookie.name === name)?.value,
    names: () => [...cookies.values()].map(({ name }) => name).sort(),
  };
}

/** https://www.rfc-editor.org/rfc/rfc6265#section-5.1.4 */
const within = (path: string, cookiePath: string): boolean =>
  path === cookiePath ||
  (path.startsWith(cookiePath) && (cookiePath.endsWith("/") || path[cookiePath.length] === "/"));

function parse(
  line: string,
  url: URL,
): { readonly cookie: Cookie; readonly dead: boolean } | undefined {
  const [pair = "", ...rest] = line.split(";").map((part) => part.trim());
  const at = pair.indexOf("=");
  if (at < 1) return undefined;
  const attributes = new Map(
    rest.map((part) => {
      const [name = "", ...value] = part.split("=");
      return [name.toLowerCase(), value.join("=")];
    }),
  );
  if (attributes.has("domain")) return undefined;
  const path = attributes.get("path");
  const value = pair.slice(at + 1);
  const maxAge = attributes.get("max-age");
  const expires = attributes.get("expires");
  const dead =
    maxAge === undefined
      ? expires !== undefined && Date.parse(expires) <= Date.now()
      : Number(maxAge) <= 0;
  const cookie: Cookie = {
    name: pair.slice(0, at),
    value,
    host: url.hostname,
    path: path?.startsWith("/") ? path : (/^(\/.*)\/[^/]*$/.exec(url.pathname)?.[1] ?? "/"),
    secure: attributes.has("secure"),
  };
  return { cookie, dead };
}
