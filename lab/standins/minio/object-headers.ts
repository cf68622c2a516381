import type { checksumAlgorithms } from "./checksum.ts";
import { headerOf, type S3Request } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import type { ObjectHeaders, Texts } from "./storage.ts";
import { childrenOf, childText, type Element } from "./xml.ts";

const systemNames = [
  "content-type",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "expires",
] as const;
const metadataPrefix = "x-amz-meta-";
const largestMetadata = 2048;

/**
 * What a client stores beside the bytes.
 * @throws S3Error `MetadataTooLarge`, `InvalidTag`.
 */
export function objectHeaders(request: S3Request): ObjectHeaders {
  const system = systemNames.flatMap((name): [string, string][] => {
    // The framing of the transfer is not the object's.
    const value = headerOf(request, name)
      ?.split(",")
      .filter((part) => name !== "content-encoding" || part.trim() !== "aws-chunked")
      .join(",")
      .trim();
    return value ? [[name, value]] : [];
  });
  const metadata = Object.keys(request.headers)
    .filter((name) => name.startsWith(metadataPrefix))
    .map((name): [string, string] => [
      name.slice(metadataPrefix.length),
      headerOf(request, name) ?? "",
    ]);
  if (metadata.join("").length > largestMetadata) throw new S3Error("MetadataTooLarge");
  return {
    system: { "content-type": "binary/octet-stream", ...Object.fromEntries(system) },
    metadata: Object.fromEntries(metadata),
    tags: checkedTags([...new URLSearchParams(headerOf(request, "x-amz-tagging") ?? "")]),
  };
}

/** The same on the way back. */
export function asHeaders({ system, metadata, tags }: ObjectHeaders): Texts {
  const count = Object.keys(tags).length;
  return {
    ...system,
    ...Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [metadataPrefix + name, value]),
    ),
    ...(count === 0 ? {} : { "x-amz-tagging-count": String(count) }),
  };
}

const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** @throws S3Error `InvalidTag` where S3's limits are broken. */
export function checkedTags(pairs: readonly (readonly [string, string])[]): Texts {
  if (pairs.length > 10) throw new S3Error("InvalidTag", "Object tags cannot be greater than 10");
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    throw new S3Error("InvalidTag", "Cannot provide multiple Tags with the same key");
  }
  for (const [name, value] of pairs) {
    const fits = name !== "" && name.length <= 128 && value.length <= 256;
    if (!fits || !tagText.test(name) || !tagText.test(value)) throw new S3Error("InvalidTag");
  }
  return Object.fromEntries(pairs);
}

/** Tags of a `Tagging` document. */
export function tagsOf(root: Element): Texts {
  const set = childrenOf(root, "TagSet")[0];
  if (root.name !== "Tagging" || set === undefined) throw new S3Error("MalformedXML");
  return checkedTags(
    childrenOf(set, "Tag").map((tag) => [
      childText(tag, "Key") ?? "",
      childText(tag, "Value") ?? "",
    ]),
  );
}

/** Server-side encryption cannot be had here: accepting it would promise what is not done. */
export function refuseEncryption(request: S3Request): void {
  const asked = Object.keys(request.headers).find((name) =>
    name.startsWith("x-amz-server-side-encryption"),
  );
  if (asked !== undefined) throw new S3Error("NotImplemented", `${asked} is not supported.`);
}

/** Names of checksum headers as answers carry them. */
export const checksumHeader = (algorithm: (typeof checksumAlgorithms)[number]): string =>
  `x-amz-checksum-${algorithm}`;
/** And as documents do. */
export const checksumElement = (algorithm: (typeof checksumAlgorithms)[number]): string =>
  `Checksum${algorithm.toUpperCase()}`;
