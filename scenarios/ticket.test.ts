import fc from "fast-check";
import { expect, test } from "vitest";
import { signTicket, type Ticket, verifyTicket } from "./ticket.ts";

const key = "key-of-this-clone";
const ticket: Ticket = {
  runId: "01hxyz01hxyz01hxyz01hxyz01",
  scenario: "db.n-plus-one",
  mode: "fault",
  params: { n: 50 },
  seed: 7,
  expiresAt: 1000,
};

test("what was signed comes back", () => {
  expect(verifyTicket(signTicket(ticket, key), key, 999)).toEqual({ ok: true, ticket });
});

test("it ends at its time", () => {
  expect(verifyTicket(signTicket(ticket, key), key, 1000)).toEqual({
    ok: false,
    reason: "expired",
  });
});

test("another key does not open it", () => {
  expect(verifyTicket(signTicket(ticket, key), "other", 0)).toEqual({
    ok: false,
    reason: "forged",
  });
});

test("a content that was changed does not pass", () => {
  const [, signature] = signTicket(ticket, key).split(".");
  const body = Buffer.from(JSON.stringify({ ...ticket, expiresAt: 9e15 })).toString("base64url");
  expect(verifyTicket(`${body}.${signature}`, key, 0)).toEqual({ ok: false, reason: "forged" });
});

test.each(["", ".", "a", "a.", ".b", "a.b.c", "{}"])("%j is malformed", (token) => {
  expect(verifyTicket(token, key, 0)).toEqual({ ok: false, reason: "malformed" });
});

test("nothing a stranger sends is accepted, or an exception", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\w-]{1,40}\.[\w-]{43}$/)), (token) => {
      expect(verifyTicket(token, key, 0).ok).toBe(false);
    }),
  );
});

test("it fits into a header line", () => {
  const long = {
    ...ticket,
    params: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`p${n}`, n])),
  };
  const token = signTicket(long, key);
  expect(token).toMatch(/^[\w.-]+$/);
  expect(token.length).toBeLessThan(2048);
});
