import { expect, test } from "vitest";
import { describeCommand, describeKey } from "./command-text.ts";

test.each([
  ["get", ["products:list"], ["products:list"], "GET products:list"],
  ["set", ["a:1", "secret", "px", "500", "NX"], ["a:1"], "SET a:1 ? PX ? NX"],
  ["set", ["a", "a"], ["a"], "SET a ?"],
  ["mget", ["a", "b"], ["a", "b"], "MGET a b"],
  [
    "del",
    Array.from({ length: 20 }, () => "k"),
    Array.from({ length: 20 }, () => "k"),
    /… \(20\)$/,
  ],
  ["publish", ["orders", '{"customer":7}'], [], "PUBLISH orders ?"],
  ["config", ["SET", "maxmemory", "1"], [], "CONFIG SET maxmemory ?"],
  ["eval", ["return 'secret'", "1", "k", "v"], ["k"], "EVAL ? ? k ?"],
  ["auth", ["secret"], [], "AUTH ?"],
  ["set", ["k", Buffer.from("secret")], ["k"], "SET k ?"],
])("%s shows its keys and none of its values", (name, args, keys, text) => {
  expect(describeCommand(name, args, keys).text).toEqual(
    typeof text === "string" ? text : expect.stringMatching(text),
  );
});

test("a name that nobody knows is no label", () => {
  expect(describeCommand("x1; drop", [], []).operation).toBe("_OTHER");
});

test.each([
  ["session:abc", "session:?"],
  ["session:a:b:c", "session:?"],
  ["sess:1", "sess:?"],
  ["stampede:0mws53xb80001w5l1ld0ynq1qo", "stampede:?"],
  ["cart:9f0c1a0e-2b7d-4a7c-9a10-0e3f8d2c1b5a", "cart:?"],
  ["3q2xV7wY9nq0zK4tR8sB1cD6eF5gH7jL", "?"],
  ["products:list", "products:list"],
  ["product:42", "product:42"],
  ["a b", "a_b"],
  ["a\u0000", "?"],
])("key %s is shown as %s", (key, shown) => {
  expect(describeKey(key)).toBe(shown);
});
