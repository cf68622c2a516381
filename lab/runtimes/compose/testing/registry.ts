import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

/**
 * A registry of this process that images are pulled from (https://distribution.github.io/distribution/spec/api/).
 * Engines take one on 127.0.0.0/8 without TLS.
 */
export interface Registry {
  /** `127.0.0.1:<port>`, as names of its images begin. */
  readonly host: string;
  /** Takes an image up. @returns its name with this registry in front, and its digest. */
  readonly offer: (name: string, image: ImageOffer) => { image: string; digest: string };
  /** Resolves once somebody waits for the rest of a held layer, and when nobody does any more. */
  readonly waiting: () => Promise<void>;
  readonly left: () => Promise<void>;
  /** Lets held layers go on. */
  readonly release: () => void;
  readonly close: () => void;
}

export interface ImageOffer {
  /** Its only layer, as a tar. */
  readonly layer: Buffer;
  readonly entry: string;
  /** As engines name it, e.g. `amd64`. */
  readonly architecture: string;
  /** Its layer is sent half, and the rest when it is released. */
  readonly held?: boolean;
}

const mediaType = "application/vnd.docker.distribution.manifest";
const configType = "application/vnd.docker.container.image.v1+json";
const layerType = "application/vnd.docker.image.rootfs.diff.tar.gzip";

interface Blob {
  readonly bytes: Buffer;
  readonly type: string;
  readonly held: boolean;
}

export async function openRegistry(): Promise<Registry> {
  const blobs = new Map<string, Blob>();
  const tags = new Map<string, string>();
  const held = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const keep = (bytes: Buffer, type: string, isHeld = false): string => {
    const digest = digestOf(bytes);
    blobs.set(digest, { bytes, type, held: isHeld });
    return digest;
  };
  const keepJson = (document: object, type: string) =>
    keep(Buffer.from(JSON.stringify(document)), type);

  const server = createServer(async ({ url = "", method }, answer) => {
    if (url === "/v2/") return answer.end("{}");
    const [, name, reference = ""] = /^\/v2\/(.+)\/(?:manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    const digest = tags.get(`${name}:${reference}`) ?? reference;
    const blob = blobs.get(digest);
    if (blob === undefined) return refuse(answer);
    answer.setHeader("content-type", blob.type);
    answer.setHeader("content-length", blob.bytes.length);
    answer.setHeader("docker-content-digest", digest);
    if (method === "HEAD" || !blob.held) return answer.end(method === "HEAD" ? "" : blob.bytes);
    const half = Math.floor(blob.bytes.length / 2);
    answer.on("close", left.resolve);
    answer.write(blob.bytes.subarray(0, half));
    waiting.resolve();
    await held.promise;
    return answer.end(blob.bytes.subarray(half));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    host,
    offer: (name, { layer, entry, architecture, held: isHeld = false }) => {
      const packed = gzipSync(layer, { level: 1 });
      const rootfs = { type: "layers", diff_ids: [digestOf(layer)] };
      const config = { Entrypoint: [entry], Env: ["PATH=/bin"] };
      const about = { architecture, os: "linux", config, rootfs };
      const configDigest = keepJson(about, configType);
      const manifest = {
        schemaVersion: 2,
        mediaType: `${mediaType}.v2+json`,
        config: { mediaType: configType, digest: configDigest, size: sizeOf(configDigest) },
        layers: [
          {
            mediaType: layerType,
            digest: keep(packed, layerType, isHeld),
            size: packed.length,
          },
        ],
      };
      const manifestDigest = keepJson(manifest, manifest.mediaType);
      const platform = { architecture, os: "linux" };
      const list = {
        schemaVersion: 2,
        mediaType: `${mediaType}.list.v2+json`,
        manifests: [
          {
            mediaType: manifest.mediaType,
            digest: manifestDigest,
            size: sizeOf(manifestDigest),
            platform,
          },
        ],
      };
      const digest = keepJson(list, list.mediaType);
      tags.set(name, digest);
      return { image: `${host}/${name}`, digest };
    },
    waiting: () => waiting.promise,
    left: () => left.promise,
    release: () => held.resolve(),
    close: () => {
      held.resolve();
      server.closeAllConnections();
      server.close();
    },
  };

  function sizeOf(digest: string): number {
    return blobs.get(digest)?.bytes.length ?? 0;
  }
}

const digestOf = (bytes: Buffer): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const refuse = (answer: ServerResponse): void => {
  const error = { code: "MANIFEST_UNKNOWN", message: "manifest unknown" };
  answer.writeHead(404, { "content-type": "application/json" });
  answer.end(JSON.stringify({ errors: [error] }));
};
