import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip, constants as zlib } from "node:zlib";
import { answer, type HeaderPairs } from "./answer.ts";

interface Asset {
  readonly type: string;
  readonly etag: string;
  /** Its name holds a hash of its content: it never changes. */
  readonly immutable: boolean;
  readonly plain: Buffer;
  /** By content coding; filled in the background, best first. */
  readonly encoded: Map<string, Buffer>;
}

/** The files of one built page, held in memory. A URL is a key of this map, never a path on disk. */
export interface Assets {
  readonly has: (path: string) => boolean;
  /** @param path a key for which `has` is true. */
  readonly serve: (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    added?: HeaderPairs,
  ) => void;
  /** Resolves when every compressed form is there. */
  readonly compressed: Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
};
const compressible = new Set([".html", ".js", ".css", ".json", ".map", ".svg", ".txt"]);
const brotli = promisify(brotliCompress);
const gzipped = promisify(gzip);

/** Reads a built page. Symbolic links are not followed, dot files not taken. */
export async function loadAssets(dir: string): Promise<Assets> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name));
  const assets = new Map(
    await Promise.all(
      files.map(async (file): Promise<[string, Asset]> => {
        const path = `/${relative(dir, file).split(sep).join("/")}`;
        return [path, assetOf(path, await readFile(file))];
      }),
    ),
  );

  function serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    added: HeaderPairs = [],
  ): void {
    const asset = assets.get(path);
    if (asset === undefined) throw new Error(`no asset ${path}`);
    const coding = codingFor(request.headers["accept-encoding"] ?? "", asset);
    const etag = coding === undefined ? asset.etag : asset.etag.replace(/"$/, `-${coding}"`);
    const headers: HeaderPairs = [
      ...added,
      ["content-type", asset.type],
      ["cache-control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache"],
      ["etag", etag],
      ["vary", "accept-encoding"],
      ...(coding === undefined ? [] : ([["content-encoding", coding]] as const)),
    ];
    if (matches(request.headers["if-none-match"], etag)) answer(response, 304, headers);
    else answer(response, 200, headers, (coding && asset.encoded.get(coding)) || asset.plain);
  }

  const compressed = compressAll(assets);
  return { has: (path) => assets.has(path), serve, compressed };
}

function assetOf(path: string, plain: Buffer): Asset {
  const hash = createHash("sha256").update(plain).digest("base64url").slice(0, 22);
  return {
    type: types[extname(path)] ?? "application/octet-stream",
    etag: `"${hash}"`,
    // Vite's `assets/<name>-<hash of 8>.<ext>`.
    immutable: /^\/assets\/.+-[\w-]{8}\.\w+$/.test(path),
    plain,
    encoded: new Map(),
  };
}

/** One file after the other: the first visitor should not wait for eleven compressors. */
async function compressAll(assets: ReadonlyMap<string, Asset>): Promise<void> {
  for (const [path, asset] of assets) {
    if (!compressible.has(extname(path)) || asset.plain.length < 1024) continue;
    const params = {
      [zlib.BROTLI_PARAM_QUALITY]: 6,
      // Three percent larger than with the usual window, for which malloc would keep 7 MB for good.
      [zlib.BROTLI_PARAM_LGWIN]: 16,
      [zlib.BROTLI_PARAM_SIZE_HINT]: asset.plain.length,
    };
    asset.encoded.set("br", await brotli(asset.plain, { params }));
    asset.encoded.set("gzip", await gzipped(asset.plain));
  }
}

/** The best coding that is ready and that the client accepts; `q=0` means no. */
function codingFor(accepted: string, asset: Asset): string | undefined {
  const wanted = new Set(
    accepted
      .split(",")
      .map((part) => part.trim().toLowerCase())
      .filter((part) => !/;\s*q=0(?:\.0*)?$/.test(part))
      .map((part) => part.split(";")[0]?.trim()),
  );
  return asset.encoded.keys().find((coding) => wanted.has(coding));
}

const matches = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag) ?? false;
