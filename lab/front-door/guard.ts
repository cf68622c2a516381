import { classOf, methodsOf, type Route, type RouteClass, routeOf } from "./routing.ts";

/** What the guard looks at, exactly as received. Repeated headers are kept apart: repeating is itself suspicious. */
export interface RequestFacts {
  readonly method: string;
  /** The request target of the first line. */
  readonly target: string;
  readonly host: readonly string[];
  readonly origin: readonly string[];
  readonly secFetchSite: readonly string[];
  readonly secFetchDest: string | undefined;
  readonly contentType: string | undefined;
  /** `Content-Length` as text; undefined for none and for chunked bodies. */
  readonly contentLength: string | undefined;
  readonly csrf: string | undefined;
  readonly upgrade: boolean;
}

export interface Refusal {
  readonly kind: "refuse";
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Value of the `Allow` header of a 405. */
  readonly allow?: string;
}
export type Judgement =
  | { readonly kind: "allow"; readonly route: Route; readonly target: string }
  /** To the same target at the canonical origin. */
  | { readonly kind: "redirect"; readonly location: string }
  | Refusal;

/** Names under which a browser reaches loopback; the first is the canonical one. */
const loopbackNames = ["localhost", "127.0.0.1", "[::1]"] as const;

/** Bytes a request body may have, by what it is for. */
export const bodyLimits = { control: 64 * 1024, app: 8 * 1024 * 1024, ingest: 8 * 1024 * 1024 };

const withoutEffect = new Set(["GET", "HEAD"]);
const openToLinks = new Set<RouteClass>(["page", "auth", "health"]);
const oursBySite = new Set(["same-origin", "none"]);

/**
 * Decides about a request before anything else sees it. Never throws, whatever was sent.
 *
 * The Host list is what stops DNS rebinding: there the page's Origin equals its Host and no
 * Sec-Fetch header comes along. The Origin and Sec-Fetch rules stop ordinary foreign pages, which
 * can send simple requests to loopback without a preflight (https://fetch.spec.whatwg.org/#cors-protocol).
 */
export function judge(facts: RequestFacts, port: number): Judgement {
  const name = loopbackNames.find((known) => facts.host[0]?.toLowerCase() === `${known}:${port}`);
  if (facts.host.length !== 1 || name === undefined) {
    return refuse(421, "unknown-host", "This lab answers only on its own loopback names.", {
      hint: `Open http://localhost:${port}.`,
    });
  }
  if (facts.upgrade) {
    return refuse(400, "upgrade-refused", "The lab has no protocol to upgrade to.", {
      hint: "Live updates are plain server-sent events at /lab/api/events.",
    });
  }
  if (!facts.target.startsWith("/")) {
    return refuse(400, "bad-target", "The request target must start with a slash.", {
      hint: "The front door is not a forward proxy.",
    });
  }
  const route = routeOf(facts.target.replace(/[?#].*$/s, ""));
  const methods = methodsOf(route);
  if (!methods.includes(facts.method)) {
    return refuse(405, "method-not-allowed", `${facts.method} is not offered here.`, {
      hint: `Use ${methods.join(", ")}.`,
      allow: methods.join(", "),
    });
  }
  return (
    judgeSender(facts, route, port) ??
    judgeBody(facts, route) ??
    (isVisited(route) && name !== loopbackNames[0]
      ? { kind: "redirect", location: `http://${loopbackNames[0]}:${port}${facts.target}` }
      : { kind: "allow", route, target: facts.target })
  );
}

/** Cookies and stored settings belong to one origin: people are led to the canonical one. */
const isVisited = (route: Route): boolean =>
  route.name === "document" || route.name === "enter" || classOf(route) === "auth";

/** Did a page of ours, or no page at all, send this? */
function judgeSender(facts: RequestFacts, route: Route, port: number): Refusal | undefined {
  if (!withoutEffect.has(facts.method)) {
    return ownSite(facts) && ownOrigin(facts, port) ? undefined : crossSite();
  }
  // A sign-in comes back from the identity provider, and anybody may link to a page of ours.
  // But nobody's link may sign a person out.
  const linked = openToLinks.has(classOf(route)) || facts.secFetchDest === "document";
  const open = linked && route.name !== "sign-out";
  return open || ownSite(facts) ? undefined : crossSite();
}

function judgeBody(facts: RequestFacts, route: Route): Refusal | undefined {
  if (withoutEffect.has(facts.method)) return undefined;
  const group = classOf(route);
  if (group === "control" || group === "app") {
    // A `DELETE` without a body has nothing to declare.
    const bare = facts.method === "DELETE" && facts.contentType === undefined;
    if (!bare && !isJson(facts)) return notJson();
    if (facts.csrf !== "1") return csrfMissing();
  }
  const limit = bodyLimitOf(route);
  return Number(facts.contentLength ?? 0) > limit ? tooLarge(limit) : undefined;
}

/** Bytes a request body to this route may have. */
export function bodyLimitOf(route: Route): number {
  switch (classOf(route)) {
    case "ingest":
      return bodyLimits.ingest;
    case "app":
    case "auth":
      return bodyLimits.app;
    case "control":
    case "health":
    case "page":
      return bodyLimits.control;
  }
}

export const tooLarge = (limit: number): Refusal =>
  refuse(413, "body-too-large", `The body is larger than ${limit} bytes.`, {
    hint: "Send it in smaller pieces.",
  });

function ownSite(facts: RequestFacts): boolean {
  return (
    facts.secFetchSite.length === 0 ||
    (facts.secFetchSite.length === 1 && oursBySite.has(facts.secFetchSite[0] ?? ""))
  );
}

function ownOrigin(facts: RequestFacts, port: number): boolean {
  const [origin, ...more] = facts.origin;
  if (origin === undefined) return true;
  if (more.length > 0) return false;
  // Under Referrer-Policy no-referrer a browser says `Origin: null` for our own beacons and forms
  // (https://fetch.spec.whatwg.org/#append-a-request-origin-header); only Sec-Fetch-Site tells them
  // from a sandboxed frame, whose site is never same-origin.
  if (origin === "null") return facts.secFetchSite[0] === "same-origin";
  return loopbackNames.some((name) => origin === `http://${name}:${port}`);
}

const isJson = (facts: RequestFacts): boolean =>
  /^application\/json\s*(?:;|$)/i.test(facts.contentType ?? "");

const notJson = (): Refusal =>
  refuse(415, "not-json", "A write needs a body of type application/json.", {
    hint: "Send content-type: application/json.",
  });

const csrfMissing = (): Refusal =>
  refuse(403, "csrf-header-missing", "A write needs the header x-lab-csrf: 1.", {
    hint: "Add the header; only a page of this lab, or a program, can send it.",
  });

const crossSite = (): Refusal =>
  refuse(403, "cross-site", "Another site's page may not use this lab.", {
    hint: "Open the lab itself and do it there.",
  });

function refuse(
  status: number,
  code: string,
  message: string,
  rest: { readonly hint: string; readonly allow?: string },
): Refusal {
  return { kind: "refuse", status, code, message, ...rest };
}
