import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

/** What a scenario is written in. */
const language = [
  "scenarios/define.ts",
  "scenarios/expectation.ts",
  "scenarios/fault.ts",
  "scenarios/mode.ts",
  "scenarios/param-spec.ts",
  "scenarios/span-selector.ts",
];
/** Top folder → what of the other top folders it may import. Change it when the structure really changes. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  scenarios: [],
  server: ["scenarios/"],
  lab: ["scenarios/"],
  web: ["lab/api/", "scenarios/names.ts", ...language],
};
/** Journeys are no part of the page: they start labs, and look into what those keep. */
const journeys = { folder: "web/e2e/", mayImport: ["lab/testing/"] };
/** Files that everybody reads without loading anything: type imports only. */
const leaves = [
  ...language,
  "scenarios/names.ts",
  "scenarios/edges/cache.ts",
  "scenarios/edges/objects.ts",
  "scenarios/edges/order-events.ts",
  "scenarios/edges/visitor.ts",
  "scenarios/run-evidence.ts",
];

const root = fileURLToPath(new URL("..", import.meta.url));
const files = Object.keys(mayImport).flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|svelte|mjs)$/.test(name) && !name.includes("node_modules"))
    .map((name) => join(folder, name)),
);

function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), "utf8");
  return ts.preProcessFile(source, true, true).importedFiles.flatMap(({ fileName }) => {
    if (fileName.startsWith("#")) return [fileName.slice(1)];
    return fileName.startsWith(".") ? [relative(root, resolve(root, dirname(file), fileName))] : [];
  });
}

test.each(files)("%s imports only what its folder may", (file) => {
  const own = file.split("/")[0] as string;
  const allowed = [
    ...(mayImport[own] ?? []),
    ...(file.startsWith(journeys.folder) ? journeys.mayImport : []),
  ];
  const refused = importsOf(file).filter((target) => {
    const top = target.split("/")[0] as string;
    if (top === own || !(top in mayImport)) return false;
    return !allowed.some((start) => target.startsWith(start));
  });
  expect(refused, `${file} reaches across; if the structure changed, change mayImport`).toEqual([]);
});

test.each(files.filter((file) => file.startsWith("lab/api/")))(
  "%s brings nothing of the lab along to the page",
  (file) => {
    const brought = importsOf(file).filter(
      (target) =>
        target.startsWith("lab/") &&
        !target.startsWith("lab/api/") &&
        target !== "lab/services/ids.ts",
    );
    expect(brought).toEqual([]);
  },
);

test.each(leaves)("%s is a leaf: it has type imports only", (file) => {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(root, file), "utf8"),
    ts.ScriptTarget.ESNext,
  );
  const values = source.statements
    .filter(ts.isImportDeclaration)
    .filter((node) => !node.importClause?.isTypeOnly);
  expect(values.map((node) => node.moduleSpecifier.getText(source))).toEqual([]);
});
