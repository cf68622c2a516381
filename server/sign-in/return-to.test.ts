import { expect, test } from "vitest";
import { returnPath } from "./return-to.ts";

test.each([
  "/",
  "/?q=1",
  "/scenarios",
  "/scenarios/db.n-plus-one",
  "/runs",
  "/runs/01jx",
  "/runs/01jx?trace=0af7&span=b7ad&from=1.5&to=2",
  "/traces/0af7651916cd43dd8448eb211c80319c",
  "/services",
])("%j is a page of ours", (path) => {
  expect(returnPath(path)).toBe(path);
});

test.each([
  "//evil.example",
  "/\\evil.example",
  "\\\\evil.example",
  "/%2f%2fevil.example",
  "%2f%2fevil.example",
  "/%5cevil.example",
  "\t//evil.example",
  "/\t/evil.example",
  "/\n/evil.example",
  "http:evil.example",
  "http://evil.example",
  "https:/evil.example",
  "javascript:alert(1)",
  "data:text/html,x",
  "evil.example",
  "/@evil.example",
  "/runs@evil.example",
  "/runs//evil.example",
  "/runs/../auth/logout",
  "/runs/..",
  "/auth/login",
  "/auth/logout",
  "/api/me",
  "/lab/api/runs",
  "/runs\r\nset-cookie: a=b",
  "/runs?x=\r\nset-cookie: a=b",
  "/runs#x",
  "/services/x",
  "",
  "x".repeat(501),
  `/runs?${"x".repeat(500)}`,
  undefined,
  null,
  1,
  ["/runs", "//evil.example"],
  { toString: () => "/runs" },
])("%j leads to the first page", (value) => {
  expect(returnPath(value)).toBe("/");
});
