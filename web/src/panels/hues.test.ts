import { expect, test } from "vitest";
import { coloursOf } from "./hues.ts";

test("the lab's own services look the same in every trace", () => {
  expect(coloursOf(["lab-server", "postgresql"]).get("postgresql")).toBe(
    coloursOf(["postgresql", "pricing", "lab-web"]).get("postgresql"),
  );
});

test("five services of one trace have different colours", () => {
  for (const keys of [
    ["pricing", "stock", "mail", "search", "lab-server"],
    ["a", "f", "k", "p", "u"],
  ]) {
    expect(new Set(coloursOf(keys).values()).size).toBe(keys.length);
  }
});

test("a service keeps its colour when others join that do not want it", () => {
  expect(coloursOf(["pricing", "lab-web"]).get("pricing")).toBe(
    coloursOf(["pricing"]).get("pricing"),
  );
});
