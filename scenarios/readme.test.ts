import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { loadCatalogue } from "./catalogue.ts";

test("the README lists every scenario of the catalogue with its summary, and no other", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `([a-z0-9]+\.[a-z0-9-]+)` +\| ([^|]+?) +\|$/gm)];
  const catalogue = [...(await loadCatalogue()).values()];
  const rows = catalogue.map(({ id, summary }) => `| \`${id}\` | ${summary} |`);
  const missing = rows.filter((_, place) => !listed.some(([, id]) => id === catalogue[place]?.id));
  expect(missing, "Add these rows to the README's table of scenarios").toEqual([]);
  expect(listed.map(([, id, summary]) => `${id}: ${summary}`)).toEqual(
    catalogue.map(({ id, summary }) => `${id}: ${summary}`),
  );
});
