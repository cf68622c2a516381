/** A credential that was found in a text. */
export interface Credential {
  /** What gives it away, e.g. `bearer token`. */
  readonly kind: string;
  /** Itself. To be told from others; never to be shown. */
  readonly value: string;
}

/** Placeholders that stand where a credential was. */
const redacted =
  /^(?:\[?(?:redacted|filtered|removed)\]?|\*+|\?+|\$\d+|null|undefined|true|false)$/i;

const shapes: readonly { readonly kind: string; readonly pattern: RegExp }[] = [
  { kind: "authorization header", pattern: /\b(?:Bearer|Basic)\s+([A-Za-z0-9+/_=.~-]{8,})/g },
  {
    kind: "JSON web token",
    pattern: /\b(eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*)/g,
  },
  {
    kind: "signature of a link",
    pattern: /\b(?:X-Amz-Signature|X-Goog-Signature)=([A-Za-z0-9%]{16,})/gi,
  },
  {
    kind: "credential of a link",
    pattern: /\b(?:X-Amz-Credential|X-Amz-Security-Token|AWSAccessKeyId)=([A-Za-z0-9%/+_=-]{3,})/gi,
  },
  { kind: "AWS signature", pattern: /\bAWS4-HMAC-SHA256\b.{0,300}?\bSignature=([0-9a-f]{32,})/g },
  { kind: "password in a URL", pattern: /\b[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:([^\s/@]+)@/gi },
  { kind: "private key", pattern: /-----BEGIN [A-Z ]*(PRIVATE KEY-----.{10})/gs },
  { kind: "session cookie", pattern: /\blab_session_\d+(?:\.sig)?=([A-Za-z0-9_+/=.-]{8,})/g },
  {
    kind: "named secret",
    pattern:
      /(?<![A-Za-z0-9])["']?(?:password|passwd|client_secret|access_token|refresh_token|id_token|api_?key|secret)["']?\s*(?:=|:)\s*["']?([^\s"'&,;{}()[\]<>]{4,})/gi,
  },
];

/** Every shape has one of these in it: most texts have none, and are done with after one look. */
const hints =
  /bearer|basic|eyJ|x-amz|x-goog|aws|:\/\/[^\s/]*@|private key|lab_session|passw|secret|_token|api_?key/i;

/** Everything in a text that looks like a credential, or begins with what was planted. */
export function credentialsIn(text: string, planted?: string): readonly Credential[] {
  const found: Credential[] = [];
  if (!hints.test(text) && (planted === undefined || !text.includes(planted))) return found;
  for (const { kind, pattern } of shapes) {
    for (const [, value = ""] of text.matchAll(pattern)) {
      if (!redacted.test(value)) found.push({ kind, value });
    }
  }
  if (planted === undefined || planted === "") return found;
  for (let at = text.indexOf(planted); at >= 0; at = text.indexOf(planted, at + planted.length)) {
    const value = /^[\w.~-]*/.exec(text.slice(at))?.[0] ?? planted;
    found.push({ kind: "planted value", value });
  }
  // A planted value inside a token is one finding, not two.
  return found.filter(({ kind, value }) => kind === "planted value" || !value.includes(planted));
}

/** Tells a credential from others without giving it away. */
export const masked = ({ kind, value }: Credential): string =>
  `${kind} ${value.slice(0, 3)}… of ${value.length} characters`;

/** The text with a mark where each credential was. */
export const withoutCredentials = (text: string, planted?: string): string =>
  credentialsIn(text, planted).reduce((left, { value }) => left.replaceAll(value, "…"), text);
