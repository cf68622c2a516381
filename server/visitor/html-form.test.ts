import { expect, test } from "vitest";
import { formsOf } from "./html-form.ts";

test("a form's address, id and hidden fields are read, whatever the quotes and the order", () => {
  const page = `<form method=post action='/x?a=1&amp;b=2' id="kc-form-login">
    <input type="hidden" name="session_code" value="a&quot;b">
    <input name=execution value=one type=HIDDEN>
    <input type="text" name="username" value="ada"></form>`;
  expect(formsOf(page)).toEqual([
    {
      id: "kc-form-login",
      action: "/x?a=1&b=2",
      hidden: { session_code: 'a"b', execution: "one" },
    },
  ]);
});

test("forms come in the order of the page, and one without id has an empty one", () => {
  const page = `<div id="kc-oauth"><form action="/first"></form><form id="b" action="/second"></form></div>`;
  expect(formsOf(page).map(({ id, action }) => [id, action])).toEqual([
    ["", "/first"],
    ["b", "/second"],
  ]);
});

test("an attribute is not taken from the end of another's name", () => {
  expect(formsOf(`<form data-action="/wrong" data-id="x" action="/right"></form>`)).toMatchObject([
    { id: "", action: "/right" },
  ]);
});

test("a page without a form has none", () => {
  expect(formsOf("<h1>We are sorry</h1>")).toEqual([]);
});
