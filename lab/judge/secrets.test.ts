import { expect, test } from "vitest";
import { credentialsIn } from "./credentials.ts";
import {
  evidenceOf,
  log,
  metricEvidence,
  reading,
  sentryItem,
  span,
  spanIdOf,
} from "./factories.ts";
import { judge } from "./judge.ts";

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";

test.each([
  ["a bearer token", "Authorization: Bearer abcdefgh12345678"],
  ["basic credentials", "authorization: Basic YWRhOnB3cHdwdw=="],
  ["a JSON web token", `token is ${jwt} here`],
  ["the signature of a link", `/a?X-Amz-Signature=${"0a".repeat(32)}&x=1`],
  ["the credential of a link", "/a?X-Amz-Credential=lab%2F20261122"],
  [
    "an AWS signature header",
    `AWS4-HMAC-SHA256 Credential=lab/x, SignedHeaders=host, Signature=${"b".repeat(64)}`,
  ],
  ["a password in a URL", "postgres://lab_app:hunter2hunter2@127.0.0.1:5432/lab"],
  ["a private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA"],
  ["a session cookie", "cookie: lab_session_4700=Zm9vYmFyYmF6"],
  ["a named password", '{"password":"hunter2hunter2"}'],
  ["a token of a form", "grant_type=refresh_token&refresh_token=abcdef123456"],
])("%s is a credential", (_, text) => {
  expect(credentialsIn(text)).toHaveLength(1);
});

test.each([
  "Authorization: Bearer [Filtered]",
  "password=REDACTED&x=1",
  "/a?X-Amz-Signature=REDACTED",
  '{"password":"***"}',
  "select 1 from users where password = $1",
  "select * from orders where secret = ?",
  "http://127.0.0.1:4700/api/products?limit=10",
  "the password was wrong",
  "token_type: Bearer",
  "http://lab@127.0.0.1:4318/1",
])("%s is none", (text) => {
  expect(credentialsIn(text)).toEqual([]);
});

const expected = { signal: "secrets", why: "it matters", hint: "look there" } as const;
const judged = (evidence: Parameters<typeof evidenceOf>[0], more: object = {}) =>
  judge([{ ...expected, ...more }], evidenceOf(evidence))[0];

test("a clean run passes once it has settled", () => {
  const clean = { spans: [span({ attributes: { "url.full": "http://a/b" } })], logs: [log()] };
  expect(judged(clean)).toMatchObject({ verdict: "pass", seen: "no credential" });
  expect(judged({ ...clean, settled: false })?.verdict).toBe("pending");
});

const secret = "Bearer abcdefgh12345678";
const exemplar = reading("# TYPE a counter", `a_total{k="${secret}"} 1 # {trace_id="x"} 1`);
test.each<[string, Parameters<typeof evidenceOf>[0]]>([
  ["span attributes.h", { spans: [span({ id: 7, attributes: { h: secret } })] }],
  ["span name", { spans: [span({ id: 7, name: secret })] }],
  ["span resource.h", { spans: [span({ id: 7, resource: { h: secret } })] }],
  [
    "span events.exception.exception.message",
    { spans: [span({ id: 7, exception: { type: "E", message: secret } })] },
  ],
  ["log body", { logs: [log({ body: secret })] }],
  [
    "log attributes.request.headers[0]",
    { logs: [log({ attributes: { request: { headers: [secret] } } })] },
  ],
  ["sentry payload.exception.values[0].value", { sentry: [sentryItem({ message: secret })] }],
  ["metric labels.k", { metrics: metricEvidence(exemplar, exemplar) }],
])("a credential is found in %s, and not repeated", (field, evidence) => {
  const found = judged({ ...evidence, settled: false });
  expect(found).toMatchObject({ verdict: "fail", seen: `1 in ${field}` });
  expect(JSON.stringify(found)).not.toContain("abcdefgh12345678");
});

test("a key tells a credential that its value alone does not", () => {
  const evidence = {
    spans: [span({ attributes: { "http.request.header.x": 1, client_secret: "hunter2hunter2" } })],
  };
  expect(judged(evidence)?.verdict).toBe("fail");
});

test("the span that holds it is the nearest miss", () => {
  const found = judged({ spans: [span({ id: 7, name: "GET", attributes: { h: secret } })] });
  expect(found?.nearest).toMatchObject({
    title: "GET",
    spanId: spanIdOf(7),
    ticks: [{ predicate: "attributes.h", ok: false }],
  });
});

test("planted values are counted once each, wherever they are", () => {
  const evidence = {
    spans: [span({ attributes: { a: "x planted-1 planted-2", b: "Bearer planted-1" } })],
    logs: [log({ body: "planted-1" })],
  };
  expect(judged(evidence, { planted: "planted-", count: 2 })?.verdict).toBe("pass");
  expect(judged(evidence, { planted: "planted-" })?.verdict).toBe("fail");
});
