import fc from "fast-check";
import { expect, test } from "vitest";
import { canaryOf } from "#scenarios/names.ts";
import { createRedactor } from "./redact.ts";
import { spareCanaries } from "./spared-canaries.ts";

const { text, data } = createRedactor(["very-own-secret", "short"]);

test.each([
  ["https://ann:pw@shop.example/a?x=1", "https://REDACTED:REDACTED@shop.example/a?x=1"],
  ["postgres://lab_app:pw@127.0.0.1:5432/lab", "postgres://REDACTED:REDACTED@127.0.0.1:5432/lab"],
  ["http://lab@127.0.0.1:4318/1", "http://REDACTED:REDACTED@127.0.0.1:4318/1"],
  ["/cb?code=abc&state=def&page=2", "/cb?code=REDACTED&state=REDACTED&page=2"],
  [
    "/auth?client_id=shop&nonce=a&state=b&code_challenge=c&code_challenge_method=S256",
    "/auth?client_id=shop&nonce=REDACTED&state=REDACTED&code_challenge=c&code_challenge_method=S256",
  ],
  [
    "/authenticate?session_code=a&execution=b&tab_id=c&client_data=d",
    "/authenticate?session_code=REDACTED&execution=b&tab_id=c&client_data=REDACTED",
  ],
  [
    "/logout?id_token_hint=a&x=1 /token?code_verifier=b",
    "/logout?id_token_hint=REDACTED&x=1 /token?code_verifier=REDACTED",
  ],
  [
    "/o?X-Amz-Signature=aa&X-Amz-Credential=bb%2Fcc&X-Amz-Date=1",
    "/o?X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Date=1",
  ],
  [
    "/o?AWSAccessKeyId=a&Signature=b&sig=c&X-Goog-Signature=d",
    "/o?AWSAccessKeyId=REDACTED&Signature=REDACTED&sig=REDACTED&X-Goog-Signature=REDACTED",
  ],
  ["Authorization: Bearer abcd.efgh", "Authorization: REDACTED"],
  ["sent Basic YWxhZGRpbg==", "sent Basic REDACTED"],
  ["Cookie: sid=1; theme=dark", "Cookie: REDACTED"],
  ["set-cookie: a=b; Path=/", "set-cookie: REDACTED"],
  ["password=hunter2, user=ann", "password=REDACTED, user=ann"],
  ['login failed, password: "hun ter2"', "login failed, password: REDACTED"],
  ['{"refresh_token":"abc","n":1}', '{"refresh_token":REDACTED,"n":1}'],
  [
    "Unexpected token 'h', \"hunter2\" is not valid JSON",
    "Unexpected token 'h', REDACTED is not valid JSON",
  ],
  ["x-lab-door: very-own-secret", "x-lab-door: REDACTED"],
  ["found very-own-secret in text", "found REDACTED in text"],
])("%s", (before, after) => {
  expect(text(before)).toBe(after);
});

test.each([
  "select id from orders where customer_id = $1",
  "GET /api/orders/:id",
  "the token bucket is empty",
  "5 cookies were baked",
  "http://127.0.0.1:4318/v1/traces",
  "mail to ann@shop.example",
  "short",
])("leaves alone: %s", (value) => {
  expect(text(value)).toBe(value);
});

test("data: sensitive keys are emptied at any depth, numbers and our own names stay", () => {
  expect(
    data({
      headers: { Cookie: "a=b", accept: "text/html" },
      list: [{ apiKey: "k", user: "ann" }],
      token_count: 3,
      session_id: "abc",
      "lab.run.id": "x",
      nothing: null,
    }),
  ).toEqual({
    headers: { Cookie: "REDACTED", accept: "text/html" },
    list: [{ apiKey: "REDACTED", user: "ann" }],
    token_count: 3,
    session_id: "REDACTED",
    "lab.run.id": "x",
    nothing: null,
  });
});

test("what stands right behind a quoted secret goes with it", () => {
  expect(text('password="two"parts, next')).toBe("password=REDACTED, next");
});

test("a redacted text stays as it is when it is redacted again", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ -~]{0,40}$/), (value) => {
      const once = text(`password=${value}`);
      expect(text(once)).toBe(once);
    }),
  );
});

test("a secret is found whatever stands around it", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (before, after) => {
      expect(text(`${before}very-own-secret${after}`)).not.toContain("very-own-secret");
    }),
  );
});

test("a long text without secrets is no burden", () => {
  const long = "a".repeat(200_000);
  // Time of this thread: other processes on the machine are not the redaction's fault.
  const before = process.threadCpuUsage();
  text(`${long}password=x${long}`);
  text(`"${long}" is not valid`);
  const { user, system } = process.threadCpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(1000);
});

test("canaries of a spared run stay, other runs' and the process's own secrets do not", () => {
  const [own, other] = ["01ky6h3w9t2v5x8z1b4d7f0gaa", "01ky6h3w9t2v5x8z1b4d7f0gbb"];
  const kept = `password=${canaryOf("password", own)}`;
  expect(text(kept)).toBe("password=REDACTED");
  spareCanaries(own);
  expect(text(kept)).toBe(kept);
  expect(data({ password: canaryOf("password", own) })).toEqual({
    password: canaryOf("password", own),
  });
  expect(text(`password=${canaryOf("password", other)}`)).toBe("password=REDACTED");
  expect(text(`${kept} very-own-secret`)).toBe(`${kept} REDACTED`);
});
