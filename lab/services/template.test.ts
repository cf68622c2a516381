import { expect, test } from "vitest";
import { renderTemplate } from "./template.ts";

test("blocks of what is not there are left out, and names become values", () => {
  const template = "a\n# when x\nx ${x}\n# end\n  # when y\n  y ${y}\n  # end\nz ${z}\n";
  expect(renderTemplate(template, { y: "1", z: "$&" })).toBe("a\n  y 1\nz $&\n");
});

test("a name without a value is a mistake, not an empty place", () => {
  expect(() => renderTemplate("port ${port}", {})).toThrow("asks for port");
});
