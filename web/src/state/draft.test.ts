import { expect, test } from "vitest";
import { choice, flag, integer } from "#scenarios/param-spec.ts";
import { commandOf, Draft, orderOf } from "./draft.svelte.ts";

const card = {
  id: "db.example",
  modes: ["fault", "control"] as const,
  params: {
    n: integer({ label: "Rows", default: 50, min: 10, max: 500, step: 10 }),
    where: choice({ label: "Where", default: "here", options: ["here", "there"] }),
    loud: flag({ label: "Loud", default: false }),
  },
};

test("starts with the defaults and the first mode, which can run", () => {
  const draft = new Draft(card);
  expect(draft.values).toEqual({ n: 50, where: "here", loud: false });
  expect(draft.mode).toBe("fault");
  expect(draft.problems).toEqual({});
});

test.each([
  [Number.NaN, "Give a whole number."],
  [12.5, "Give a whole number."],
  [0, "Between 10 and 500."],
  [510, "Between 10 and 500."],
  [15, "In steps of 10 from 10."],
])("%s rows cannot run: %s", (n, problem) => {
  const draft = new Draft(card);
  draft.set("n", n);
  expect(draft.problems).toEqual({ n: problem });
});

test("a choice that is not offered cannot run", () => {
  const draft = new Draft(card);
  draft.set("where", "nowhere");
  expect(draft.problems).toEqual({ where: "Choose one of the options." });
});

test("a link fills the form with what it asks for", () => {
  const query = new URLSearchParams("mode=control&param.n=100&param.where=there&param.loud=true");
  const draft = new Draft(card, orderOf(query, card));
  expect(draft.mode).toBe("control");
  expect(draft.values).toEqual({ n: 100, where: "there", loud: true });
});

test.each(["mode=fix", "param.n=15", "param.n=", "param.where=nowhere", "param.other=1"])(
  "a link that asks for what is not offered changes nothing: %s",
  (query) => {
    const draft = new Draft(card, orderOf(new URLSearchParams(query), card));
    expect(draft.mode).toBe("fault");
    expect(draft.untouched).toBe(true);
  },
);

test("the command runs what the form shows", () => {
  const draft = new Draft(card);
  draft.mode = "control";
  draft.set("n", 70);
  draft.set("loud", true);
  expect(commandOf(card.id, draft)).toBe(
    "npm run lab -- run db.example --mode control --param n=70 --param where=here --param loud=true",
  );
});
