/** What a span may say about a command: its name and its keys, never a value. */
export interface CommandText {
  /** Upper case, e.g. `GET`; `_OTHER` for what is no command name. */
  readonly operation: string;
  /** e.g. `SET products:list ? PX ?`. */
  readonly text: string;
}

/** Words of a command's own syntax: they say how it works and hold nothing of the app's. */
const syntax = new Set(
  "EX PX EXAT PXAT NX XX GT LT KEEPTTL GET COUNT MATCH LIMIT WITHSCORES MAXLEN STREAMS BLOCK ASYNC SYNC".split(
    " ",
  ),
);
/** The first arguments of these are names, though not keys: channels, sections, settings. */
const namesAhead: Readonly<Record<string, number>> = {
  publish: 1,
  subscribe: Number.POSITIVE_INFINITY,
  unsubscribe: Number.POSITIVE_INFINITY,
  psubscribe: Number.POSITIVE_INFINITY,
  punsubscribe: Number.POSITIVE_INFINITY,
  info: 1,
  config: 2,
  client: 1,
  memory: 1,
};
const argumentsShown = 16;

/**
 * Describes a command. Every argument that is neither key, channel nor syntax becomes `?`; so does
 * each part of a key that only one visitor or run can have.
 */
export function describeCommand(
  name: string,
  args: readonly unknown[],
  keys: readonly unknown[],
): CommandText {
  const operation = /^[a-z]{2,24}$/i.test(name) ? name.toUpperCase() : "_OTHER";
  const named = namesAhead[name.toLowerCase()] ?? 0;
  let nextKey = 0;
  const shown = args.slice(0, argumentsShown).map((arg, index) => {
    if (nextKey < keys.length && arg === keys[nextKey]) {
      nextKey += 1;
      return describeKey(arg);
    }
    if (index < named) return describeKey(arg);
    return typeof arg === "string" && syntax.has(arg.toUpperCase()) ? arg.toUpperCase() : "?";
  });
  const more = args.length > argumentsShown ? [`… (${args.length})`] : [];
  return { operation, text: [operation, ...shown, ...more].join(" ") };
}

/** First parts of keys whose rest is a secret, however short: whoever knows it is signed in. */
const secretFamilies = /^(?:sess|session|sessions|koa|login|auth|oidc|token|ticket)$/i;
const keyLength = 120;

/**
 * A key with its ids as `?`: whole numbers and words stay, and what is long and mixed, such as a
 * session id, a UUID or a run id, does not.
 */
export function describeKey(key: unknown): string {
  if (typeof key !== "string") return "?";
  const [family = "", ...rest] = key.split(":");
  if (secretFamilies.test(family) && rest.length > 0) return `${family}:?`;
  const parts = [family, ...rest].map((part) => (isUnique(part) ? "?" : part.replace(/\s+/g, "_")));
  return parts.join(":").slice(0, keyLength);
}

const isUnique = (part: string): boolean =>
  part.length > 40 || (part.length >= 16 && /\d/.test(part)) || /[^\x20-\x7e]/.test(part);
