import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { repositoryDir } from "#lab/state/lab-dir.ts";

const folder = "/resources/lab";
/** Address of the pages' style sheet. */
export const stylePath = `${folder}/sign-in.css`;
const fontPath = `${folder}/inter.woff2`;

/** A file of the pages, in memory. */
export interface PageAsset {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Everything the pages load, by path. The colours and sizes are those of the dashboard. */
export async function loadPageAssets(): Promise<ReadonlyMap<string, PageAsset>> {
  const font = createRequire(import.meta.url).resolve(
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
  );
  const [tokens, own, inter] = await Promise.all([
    readFile(join(repositoryDir, "web", "src", "styles", "tokens.css"), "utf8"),
    readFile(new URL("sign-in.css", import.meta.url), "utf8"),
    readFile(font),
  ]);
  const face = `@font-face{font-family:"Inter Variable";src:url(${fontPath}) format("woff2-variations");font-weight:100 900;font-display:swap}\n`;
  return new Map([
    [stylePath, { type: "text/css; charset=utf-8", bytes: Buffer.from(face + tokens + own) }],
    [fontPath, { type: "font/woff2", bytes: inter }],
  ]);
}
