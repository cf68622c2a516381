import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judge, type RequestFacts } from "./guard.ts";

const port = 4700;
const facts = (part: Partial<RequestFacts> = {}): RequestFacts => ({
  method: "GET",
  target: "/lab/api/status",
  host: [`localhost:${port}`],
  origin: [],
  secFetchSite: [],
  secFetchDest: undefined,
  contentType: undefined,
  contentLength: undefined,
  csrf: undefined,
  upgrade: false,
  ...part,
});
const write = (part: Partial<RequestFacts> = {}): RequestFacts =>
  facts({
    method: "POST",
    target: "/lab/api/runs",
    contentType: "application/json",
    csrf: "1",
    ...part,
  });
const statusOf = (given: RequestFacts): number | string => {
  const judgement = judge(given, port);
  return judgement.kind === "refuse" ? judgement.status : judgement.kind;
};

describe("Host", () => {
  test.each(["localhost:4700", "LOCALHOST:4700", "127.0.0.1:4700", "[::1]:4700"])(
    "%s is ours",
    (host) => {
      expect(statusOf(facts({ host: [host] }))).toBe("allow");
    },
  );

  test.each([
    "evil.com",
    "evil.com:4700",
    "127.0.0.1.nip.io:4700",
    "localhost:1@evil.com",
    "localhost:4700@evil.com",
    "user@localhost:4700",
    "localhost.evil.com:4700",
    "a b",
    "[::1",
    "[::1]:80",
    "[::1]4700",
    "%",
    "%6cocalhost:4700",
    ":99999",
    ":4700",
    "127.0.0.1:99999",
    "localhost",
    "localhost:",
    "localhost:04700",
    "localhost:4701",
    "localhost.:4700",
    "0.0.0.0:4700",
    "[::]:4700",
    "[::ffff:127.0.0.1]:4700",
    "2130706433:4700",
    "0x7f000001:4700",
    "127.1:4700",
    "localhost:4700, evil.com",
    "localhost:4700 ",
    "http://localhost:4700",
    "",
    "\u0000",
  ])("%j is refused as misdirected", (host) => {
    expect(statusOf(facts({ host: [host] }))).toBe(421);
  });

  test("a missing and a repeated Host are refused", () => {
    expect(statusOf(facts({ host: [] }))).toBe(421);
    expect(statusOf(facts({ host: ["localhost:4700", "localhost:4700"] }))).toBe(421);
    expect(statusOf(facts({ host: ["localhost:4700", "evil.com"] }))).toBe(421);
  });

  test("a document on another loopback name moves to the canonical origin, other requests stay", () => {
    const seen = facts({ host: ["127.0.0.1:4700"], target: "/runs/1?span=2" });
    expect(judge(seen, port)).toEqual({
      kind: "redirect",
      location: "http://localhost:4700/runs/1?span=2",
    });
    expect(statusOf(facts({ host: ["[::1]:4700"], target: "/" }))).toBe("redirect");
    expect(statusOf(facts({ host: ["127.0.0.1:4700"], target: "/assets/a.js" }))).toBe("allow");
    expect(statusOf(facts({ host: ["127.0.0.1:4700"], target: "/lab/api/status" }))).toBe("allow");
  });
});

describe("request target and method", () => {
  test.each(["http://evil.com/", "*", "", "lab/api/status", "evil.com:443"])(
    "target %j is refused",
    (target) => {
      expect(statusOf(facts({ target }))).toBe(400);
    },
  );

  test.each([
    ["TRACE", "/"],
    ["TRACE", "/api/me"],
    ["OPTIONS", "/lab/api/runs"],
    ["OPTIONS", "/lab/ingest/v1/traces"],
    ["POST", "/"],
    ["POST", "/lab/api/status"],
    ["PUT", "/lab/api/runs"],
    ["DELETE", "/lab/api/runs"],
    ["GET", "/lab/api/services/server/restart"],
    ["GET", "/lab/ingest/v1/traces"],
    ["PROPFIND", "/"],
    ["DELETE", "/auth/logout"],
    ["POST", "/auth/logout"],
    ["HEAD", "/auth/logout"],
  ])("%s %s is 405 and names what is allowed", (method, target) => {
    expect(judge(write({ method, target }), port)).toMatchObject({
      status: 405,
      allow: expect.stringMatching(/GET|POST/),
    });
  });

  test("an upgrade is refused", () => {
    expect(judge(facts({ upgrade: true }), port)).toMatchObject({ code: "upgrade-refused" });
  });
});

describe("writes to the control API and to the app", () => {
  test.each(["/lab/api/runs", "/api/scenarios/db.x"])(
    "a program's write to %s passes",
    (target) => {
      expect(statusOf(write({ target }))).toBe("allow");
    },
  );

  test("our page's write passes on each of our names", () => {
    for (const origin of ["http://localhost:4700", "http://127.0.0.1:4700", "http://[::1]:4700"]) {
      expect(statusOf(write({ origin: [origin], secFetchSite: ["same-origin"] }))).toBe("allow");
    }
  });

  test.each([
    ["http://evil.com"],
    ["null"],
    ["http://localhost:4701"],
    ["http://localhost"],
    ["https://localhost:4700"],
    ["http://localhost:4700.evil.com"],
    ["http://evil.com/http://localhost:4700"],
    ["HTTP://LOCALHOST:4700"],
    [""],
    ["http://localhost:4700", "http://evil.com"],
  ])("Origin %j is refused", (...origin) => {
    expect(statusOf(write({ origin }))).toBe(403);
  });

  test.each([["cross-site"], ["same-site"], ["SAME-ORIGIN"], [""], ["same-origin", "cross-site"]])(
    "Sec-Fetch-Site %j is refused",
    (...secFetchSite) => {
      expect(statusOf(write({ secFetchSite }))).toBe(403);
    },
  );

  test("Origin null counts as ours only where the browser vouches for it", () => {
    expect(statusOf(write({ origin: ["null"], secFetchSite: ["same-origin"] }))).toBe("allow");
    expect(statusOf(write({ origin: ["null"], secFetchSite: ["none"] }))).toBe(403);
    expect(statusOf(write({ origin: ["null"], secFetchSite: ["cross-site"] }))).toBe(403);
  });

  test.each([
    undefined,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; application/json",
    "application/jsonp",
    "application/json-seq",
  ])("content type %j is 415", (contentType) => {
    expect(statusOf(write({ contentType }))).toBe(415);
  });

  test("parameters and case of the JSON type do not matter", () => {
    expect(statusOf(write({ contentType: "Application/JSON; charset=utf-8" }))).toBe("allow");
  });

  test.each([undefined, "", "0", "true", "1, 1"])("x-lab-csrf %j is refused", (csrf) => {
    expect(judge(write({ csrf }), port)).toMatchObject({
      status: 403,
      code: "csrf-header-missing",
    });
  });

  test("a body that says it is too large is 413", () => {
    expect(statusOf(write({ contentLength: "65537" }))).toBe(413);
    expect(statusOf(write({ contentLength: "65536" }))).toBe("allow");
  });

  test("a DELETE without a body needs no type, with one it does", () => {
    const target = "/api/orders/1";
    expect(statusOf(write({ method: "DELETE", target, contentType: undefined }))).toBe("allow");
    expect(statusOf(write({ method: "DELETE", target, contentType: "text/plain" }))).toBe(415);
  });
});

describe("ingest and sign-in", () => {
  test.each([
    "application/x-protobuf",
    "application/json",
    "text/plain;charset=UTF-8",
    "application/x-sentry-envelope",
    undefined,
  ])("ingest takes type %j", (contentType) => {
    const target = "/lab/ingest/envelope";
    expect(statusOf(write({ target, contentType, csrf: undefined }))).toBe("allow");
  });

  test("a foreign page cannot send telemetry", () => {
    const target = "/lab/ingest/v1/traces";
    expect(statusOf(write({ target, origin: ["http://evil.com"] }))).toBe(403);
    expect(statusOf(write({ target, secFetchSite: ["cross-site"] }))).toBe(403);
    expect(statusOf(write({ target, secFetchSite: ["same-site"] }))).toBe(403);
  });

  test("nobody's link signs a person out", () => {
    const target = "/auth/logout";
    for (const site of ["cross-site", "same-site"]) {
      const visit = { target, secFetchSite: [site], secFetchDest: "document" };
      expect(statusOf(facts(visit))).toBe(403);
    }
    for (const secFetchSite of [["same-origin"], ["none"], []])
      expect(statusOf(facts({ target, secFetchSite }))).toBe("allow");
  });

  test("a sign-in begins and ends on the canonical origin, where its cookie is", () => {
    for (const target of ["/auth/login?returnTo=/runs", "/auth/logout"])
      expect(judge(facts({ target, host: [`127.0.0.1:${port}`] }), port)).toEqual({
        kind: "redirect",
        location: `http://localhost:${port}${target}`,
      });
  });

  test("more than 8 MiB of telemetry is 413", () => {
    const target = "/lab/ingest/v1/traces";
    expect(statusOf(write({ target, contentLength: String(8 * 1024 * 1024 + 1) }))).toBe(413);
  });

  test("the identity provider may send the browser back", () => {
    const back = { target: "/auth/callback?code=1", secFetchSite: ["cross-site"] };
    expect(statusOf(facts({ ...back, secFetchDest: "document" }))).toBe("allow");
  });
});

describe("reads", () => {
  test.each(["/lab/api/events", "/lab/api/status", "/api/me"])(
    "a foreign page cannot hold %s open",
    (target) => {
      expect(statusOf(facts({ target, secFetchSite: ["cross-site"] }))).toBe(403);
      expect(statusOf(facts({ target, secFetchSite: ["same-site"], secFetchDest: "image" }))).toBe(
        403,
      );
      expect(statusOf(facts({ target, secFetchSite: ["same-origin"] }))).toBe("allow");
    },
  );

  test("a link from elsewhere opens pages and raw JSON", () => {
    const visit = { secFetchSite: ["cross-site"], secFetchDest: "document" };
    expect(statusOf(facts({ ...visit, target: "/" }))).toBe("allow");
    expect(statusOf(facts({ ...visit, target: `/lab/api/traces/${"a".repeat(32)}` }))).toBe(
      "allow",
    );
  });
});

test("nothing that can be sent makes the guard throw", () => {
  const texts = fc.array(fc.string({ unit: "binary" }), { maxLength: 3 });
  const anything = fc.record({
    method: fc.oneof(fc.constantFrom("GET", "POST", "DELETE"), fc.string()),
    target: fc.oneof(fc.webPath(), fc.string({ unit: "binary" })),
    host: fc.oneof(fc.constant([`localhost:${port}`]), texts),
    origin: texts,
    secFetchSite: texts,
    secFetchDest: fc.option(fc.string(), { nil: undefined }),
    contentType: fc.option(fc.string(), { nil: undefined }),
    contentLength: fc.option(fc.string(), { nil: undefined }),
    csrf: fc.option(fc.string(), { nil: undefined }),
    upgrade: fc.boolean(),
  });
  fc.assert(
    fc.property(anything, (given) => {
      expect(["allow", "redirect", "refuse"]).toContain(judge(given, port).kind);
    }),
    { numRuns: 500 },
  );
});
