import { LabError } from "#lab/errors.ts";

/** A Sentry project, as its DSN names it (https://develop.sentry.dev/sdk/overview/#parsing-the-dsn). */
export interface SentryProject {
  /** The DSN in its plain form, for envelope headers. */
  readonly dsn: string;
  readonly publicKey: string;
  readonly envelopeUrl: URL;
  /** Where the project takes spans by OTLP/HTTP. */
  readonly tracesUrl: URL;
}

/** @throws LabError `bad-dsn`; it never repeats the DSN, which holds a key. */
export function parseDsn(text: string): SentryProject {
  const url = URL.parse(text.trim());
  if (url === null) throw badDsn("it is no URL");
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw badDsn("it begins with neither https:// nor http://");
  if (!/^[0-9A-Za-z_-]+$/.test(url.username)) throw badDsn("it has no public key before the @");
  const [, prefix = "", project = ""] = /^(.*)\/([0-9A-Za-z_-]+)\/?$/.exec(url.pathname) ?? [];
  if (project === "") throw badDsn("it does not end in the number of a project");
  const base = `${url.protocol}//${url.host}${prefix}/api/${project}`;
  return {
    dsn: `${url.protocol}//${url.username}@${url.host}${prefix}/${project}`,
    publicKey: url.username,
    envelopeUrl: new URL(`${base}/envelope/`),
    tracesUrl: new URL(`${base}/integration/otlp/v1/traces/`),
  };
}

export const badDsn = (why: string): LabError =>
  new LabError("bad-dsn", `SENTRY_DSN is no address that can be sent to: ${why}.`, {
    hint: "Copy the DSN from Sentry (Settings, Projects, Client Keys), e.g. https://<key>@<host>/<project>, or unset SENTRY_DSN.",
  });
