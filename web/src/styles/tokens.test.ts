import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { rowHeightPx } from "../panels/waterfall/slice.ts";

const css = readFileSync(new URL("tokens.css", import.meta.url), "utf8");

/** Both themes' hex colours by token name. */
const colours = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)/g)].map(
    ([, name = "", light = "", dark = ""]) => [name, { light, dark }],
  ),
);
const fixed = new Map(
  [...css.matchAll(/--([\w-]+): #([0-9a-f]{6});/g)].map(([, name = "", hex = ""]) => [name, hex]),
);

function hexOf(name: string, theme: "light" | "dark"): string {
  const hex = fixed.get(name) ?? colours.get(name)?.[theme];
  if (hex === undefined) throw new Error(`--${name} is no colour of tokens.css`);
  return hex;
}

/** Relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const grounds = ["page", "surface", "sunken", "hover", "chosen", "match"];
const text: readonly (readonly [string, readonly string[]])[] = [
  ["text", grounds],
  ["text-quiet", [...grounds, "neutral-soft"]],
  ["text-faint", grounds],
  ["accent", ["page", "surface", "hover"]],
  ["on-accent", ["accent-fill"]],
  ["error", ["page", "surface", "sunken", "hover", "error-soft"]],
  ["pass", ["pass-soft"]],
  ["caution", ["surface", "caution-soft", "hover"]],
];
const marks: readonly (readonly [string, readonly string[]])[] = [
  ["line-strong", ["surface"]],
  ["focus", ["page", "surface"]],
  ...["violet", "blue", "teal", "magenta", "cyan", "olive", "indigo", "slate"].map(
    (hue) => [`hue-${hue}`, ["surface", "sunken"]] as const,
  ),
];

for (const theme of ["light", "dark"] as const) {
  const pairs = (list: typeof text) =>
    list.flatMap(([front, backs]) => backs.map((back) => [front, back]));

  test.each(pairs(text))(`${theme}: text --%s on --%s can be read (4.5:1)`, (front, back) => {
    expect(contrast(hexOf(front, theme), hexOf(back, theme))).toBeGreaterThanOrEqual(4.5);
  });

  test.each(pairs(marks))(`${theme}: --%s on --%s can be seen (3:1)`, (front, back) => {
    expect(contrast(hexOf(front, theme), hexOf(back, theme))).toBeGreaterThanOrEqual(3);
  });
}

test("a rem is the browser's own, as the pixels in the tokens and in the code take it", () => {
  const base = readFileSync(new URL("base.css", import.meta.url), "utf8");
  const [, root = ""] = /^html \{(.*?)\}/ms.exec(base) ?? [];
  expect(root).not.toBe("");
  expect(root).not.toMatch(/font(-size)?:/);
  const [, row] = /--row: ([\d.]+)rem/.exec(css) ?? [];
  expect(Number(row) * 16).toBe(rowHeightPx);
});
