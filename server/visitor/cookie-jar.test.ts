import { expect, test } from "vitest";
import { type CookieJar, cookieJar } from "./cookie-jar.ts";

const app = new URL("http://localhost:4700/auth/callback");

/** A jar that has taken these `Set-Cookie` headers at this address. */
function jarWith(lines: readonly string[], url = app, jar: CookieJar = cookieJar()): CookieJar {
  const headers = new Headers();
  for (const line of lines) headers.append("set-cookie", line);
  jar.take(url, headers);
  return jar;
}

test("a cookie goes back to its host on every port, and to no other host", () => {
  const jar = jarWith(["a=1; path=/"]);
  expect(jar.header(new URL("http://localhost:9999/x"))).toBe("a=1");
  expect(jar.header(new URL("http://127.0.0.1:4700/x"))).toBeUndefined();
});

test.each([
  ["/realms/lab", true],
  ["/realms/lab/", true],
  ["/realms/lab/protocol", true],
  ["/realms/laboratory", false],
  ["/realms", false],
])("a cookie for /realms/lab at %s", (path, sent) => {
  const jar = jarWith(["a=1; path=/realms/lab"]);
  expect(jar.header(new URL(path, app))).toBe(sent ? "a=1" : undefined);
});

test("without a path a cookie is for the folder of the address it came from", () => {
  const jar = jarWith(["a=1"]);
  expect(jar.header(new URL("/auth/login", app))).toBe("a=1");
  expect(jar.header(new URL("/api/me", app))).toBeUndefined();
});

test("the longer path goes first, and a name may be there twice", () => {
  const jar = jarWith(["a=short; path=/", "a=long; path=/auth"]);
  expect(jar.header(app)).toBe("a=long; a=short");
  expect(jar.names()).toEqual(["a", "a"]);
});

test.each(["max-age=0", "max-age=-1", "expires=Thu, 01 Jan 1970 00:00:00 GMT"])(
  "%s takes a cookie away",
  (death) => {
    const jar = jarWith(["a=1; path=/", "b=2; path=/"]);
    jarWith([`a=; path=/; ${death}`], app, jar);
    expect(jar.names()).toEqual(["b"]);
    expect(jar.value("a")).toBeUndefined();
  },
);

test("max-age counts more than expires", () => {
  const jar = jarWith(["a=1; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; max-age=60"]);
  expect(jar.value("a")).toBe("1");
});

test("a secure cookie goes over https, and to localhost", () => {
  const jar = jarWith(["a=1; path=/; secure"]);
  expect(jar.header(app)).toBe("a=1");
  const elsewhere = jarWith(["a=1; path=/; Secure"], new URL("https://shop.example/"));
  expect(elsewhere.header(new URL("http://shop.example/"))).toBeUndefined();
  expect(elsewhere.header(new URL("https://shop.example/"))).toBe("a=1");
});

test("values keep their equals signs, and what is no cookie is left out", () => {
  const jar = jarWith(["a=b=c==; path=/", "no pair", "=x; path=/", "d=1; domain=localhost"]);
  expect(jar.header(app)).toBe("a=b=c==");
});
