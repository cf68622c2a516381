import { createHash, randomUUID } from "node:crypto";
import { readRange } from "./byte-range.ts";
import { type Call, type Handler, isoDate, noContent, owner, quoted, xmlAnswer } from "./call.ts";
import { checksumAlgorithm, digester } from "./checksum.ts";
import { checkWrite } from "./conditions.ts";
import { copySource } from "./object-api.ts";
import {
  checksumElement,
  checksumHeader,
  objectHeaders,
  refuseEncryption,
} from "./object-headers.ts";
import { place, versionHeader } from "./object-versions.ts";
import { openPayload, readDocument } from "./payload.ts";
import { headerOf, queryOf, type S3Request, wholeNumber } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import {
  compareBytes,
  current,
  type Part,
  type Storage,
  type StoredChecksum,
  type Upload,
} from "./storage.ts";
import { childrenOf, childText, parse } from "./xml.ts";

/** All parts but the last: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const smallestPart = 5 * 1024 * 1024;
const mostParts = 10_000;

function findUpload({ bucket, key, ...request }: S3Request, storage: Storage): Upload {
  storage.bucket(bucket);
  const id = queryOf({ bucket, key, ...request }, "uploadId");
  const found = storage.uploads().find((upload) => upload.id === id);
  if (found === undefined || found.bucket !== bucket || found.key !== key) {
    throw new S3Error("NoSuchUpload", undefined, { UploadId: id ?? "" });
  }
  return found;
}

export const createMultipartUpload: Handler = async ({ request, storage, now }) => {
  refuseEncryption(request);
  storage.bucket(request.bucket);
  const asked = headerOf(request, "x-amz-checksum-algorithm");
  const algorithm = asked === undefined ? undefined : checksumAlgorithm(asked);
  const type =
    headerOf(request, "x-amz-checksum-type") ??
    (algorithm === "crc64nvme" ? "FULL_OBJECT" : "COMPOSITE");
  if (type !== "FULL_OBJECT" && type !== "COMPOSITE") throw new S3Error("InvalidRequest");
  const upload: Upload = {
    id: randomUUID(),
    ...{ bucket: request.bucket, key: request.key, startedAt: now() },
    headers: objectHeaders(request),
    ...{ algorithm, checksumType: type, parts: [] },
  };
  await storage.exclusive(() => storage.saveUpload(upload));
  return xmlAnswer(
    "InitiateMultipartUploadResult",
    { Bucket: upload.bucket, Key: upload.key, UploadId: upload.id },
    algorithm
      ? { "x-amz-checksum-algorithm": algorithm.toUpperCase(), "x-amz-checksum-type": type }
      : {},
  );
};

const partNumber = (request: S3Request): number => {
  const number = wholeNumber(queryOf(request, "partNumber") ?? "", "partNumber", mostParts);
  if (number < 1)
    throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000.");
  return number;
};

/** Puts a part in its place; one of the same number is replaced. */
const savePart = (call: Call, part: Part): Promise<void> =>
  call.storage.exclusive(async () => {
    const upload = findUpload(call.request, call.storage);
    const replaced = upload.parts.filter(({ number }) => number === part.number);
    const parts = [...upload.parts.filter(({ number }) => number !== part.number), part].sort(
      (a, b) => a.number - b.number,
    );
    await call.storage.saveUpload({ ...upload, parts });
    await call.storage.data.release(replaced.map(({ segment }) => segment));
  });

export const uploadPart: Handler = async (call) => {
  const { request, authorised, storage, now } = call;
  const number = partNumber(request);
  findUpload(request, storage);
  const payload = openPayload(request, authorised, storage.limits.objectBytes);
  const segment = await storage.data.write(payload.chunks);
  const { md5, checksum } = payload.received();
  try {
    await savePart(call, {
      number,
      etag: md5,
      segment,
      modifiedAt: now(),
      checksum: checksum?.value,
    });
  } catch (error) {
    await storage.data.release([segment]);
    throw error;
  }
  return {
    status: 200,
    headers: {
      etag: quoted(md5),
      ...(checksum ? { [checksumHeader(checksum.algorithm)]: checksum.value } : {}),
    },
  };
};

export const uploadPartCopy: Handler = async (call) => {
  const { request, storage, now } = call;
  const number = partNumber(request);
  const { algorithm } = findUpload(request, storage);
  const { source } = copySource(call);
  const rangeHeader = headerOf(request, "x-amz-copy-source-range");
  const range = readRange(rangeHeader, source.size);
  if (rangeHeader !== undefined && range === undefined) throw new S3Error("InvalidArgument");
  const { from, to } = range ?? { from: 0, to: source.size - 1 };
  const md5 = createHash("md5");
  const sum = algorithm && digester(algorithm);
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const piece of storage.data.read(source.segments, from, to)) {
      md5.update(piece);
      sum?.update(piece);
      yield piece;
    }
  }
  const segment = await storage.data.write(hashed());
  const etag = md5.digest("hex");
  try {
    await savePart(call, { number, etag, segment, modifiedAt: now(), checksum: sum?.digest() });
  } catch (error) {
    await storage.data.release([segment]);
    throw error;
  }
  return xmlAnswer("CopyPartResult", { ETag: quoted(etag), LastModified: isoDate(now()) });
};

export const completeMultipartUpload: Handler = async (call) => {
  const { request, authorised, storage, now } = call;
  const root = parse(await readDocument(request, authorised));
  const listed = childrenOf(root, "Part").map((part) => ({
    number: Number(childText(part, "PartNumber")),
    etag: (childText(part, "ETag") ?? "").replace(/^"|"$/g, ""),
  }));
  if (root.name !== "CompleteMultipartUpload" || listed.length === 0)
    throw new S3Error("MalformedXML");
  return storage.exclusive(async () => {
    const upload = findUpload(request, storage);
    checkWrite(request, current(storage.bucket(request.bucket), request.key));
    const parts = chosenParts(upload, listed);
    const size = parts.reduce((sum, { segment }) => sum + segment.size, 0);
    if (size > storage.limits.objectBytes) throw new S3Error("EntityTooLarge");
    const md5 = createHash("md5");
    for (const { etag } of parts) md5.update(Buffer.from(etag, "hex"));
    const etag = `${md5.digest("hex")}-${parts.length}`;
    const segments = parts.map(({ segment }) => segment);
    const checksum = await checksumOf(upload, parts, storage);
    const placed = await place(storage, request.bucket, request.key, (versionId) => ({
      kind: "object",
      ...{ versionId, modifiedAt: now(), etag, size, ...upload.headers },
      ...{ segments, inParts: true, checksum },
    }));
    await storage.forgetUpload(upload.id);
    await storage.data.release(
      upload.parts.filter((part) => !parts.includes(part)).map(({ segment }) => segment),
    );
    return xmlAnswer(
      "CompleteMultipartUploadResult",
      {
        Location: `http://${headerOf(request, "host")}${encodeURI(request.path)}`,
        ...{ Bucket: request.bucket, Key: request.key, ETag: quoted(etag) },
        ...(checksum
          ? { [checksumElement(checksum.algorithm)]: checksum.value, ChecksumType: checksum.type }
          : {}),
      },
      versionHeader(placed),
    );
  });
};

function chosenParts(
  upload: Upload,
  listed: readonly { readonly number: number; readonly etag: string }[],
): readonly Part[] {
  const parts = listed.map(({ number, etag }, index) => {
    const before = listed[index - 1];
    if (before !== undefined && before.number >= number) throw new S3Error("InvalidPartOrder");
    const part = upload.parts.find((candidate) => candidate.number === number);
    if (part === undefined || part.etag !== etag) {
      throw new S3Error("InvalidPart", undefined, { PartNumber: String(number), ETag: etag });
    }
    return part;
  });
  for (const { number, etag, segment } of parts.slice(0, -1)) {
    if (segment.size < smallestPart) {
      throw new S3Error("EntityTooSmall", undefined, {
        ProposedSize: String(segment.size),
        MinSizeAllowed: String(smallestPart),
        PartNumber: String(number),
        ETag: etag,
      });
    }
  }
  return parts;
}

async function checksumOf(
  { algorithm, checksumType }: Upload,
  parts: readonly Part[],
  { data }: Storage,
): Promise<StoredChecksum | undefined> {
  if (algorithm === undefined || parts.some(({ checksum }) => checksum === undefined))
    return undefined;
  const sum = digester(algorithm);
  if (checksumType === "FULL_OBJECT") {
    for (const { segment } of parts) {
      for await (const piece of data.read([segment], 0, segment.size - 1)) sum.update(piece);
    }
    return { algorithm, type: checksumType, value: sum.digest() };
  }
  for (const { checksum = "" } of parts) sum.update(Buffer.from(checksum, "base64"));
  return { algorithm, type: checksumType, value: `${sum.digest()}-${parts.length}` };
}

export const abortMultipartUpload: Handler = async ({ request, storage }) => {
  await storage.exclusive(async () => {
    const upload = findUpload(request, storage);
    await storage.forgetUpload(upload.id);
    await storage.data.release(upload.parts.map(({ segment }) => segment));
  });
  return noContent;
};

export const listParts: Handler = ({ request, storage }) => {
  const upload = findUpload(request, storage);
  const most = Math.min(
    wholeNumber(queryOf(request, "max-parts") ?? "1000", "max-parts", 2 ** 31),
    1000,
  );
  const marker = wholeNumber(
    queryOf(request, "part-number-marker") ?? "0",
    "part-number-marker",
    mostParts,
  );
  const after = upload.parts.filter(({ number }) => number > marker);
  const page = after.slice(0, most);
  return xmlAnswer("ListPartsResult", {
    ...{
      Bucket: upload.bucket,
      Key: upload.key,
      UploadId: upload.id,
      Initiator: owner,
      Owner: owner,
    },
    ...{ StorageClass: "STANDARD", PartNumberMarker: marker, MaxParts: most },
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    IsTruncated: after.length > page.length,
    Part: page.map(({ number, etag, segment, modifiedAt }) => ({
      PartNumber: number,
      LastModified: isoDate(modifiedAt),
      ETag: quoted(etag),
      Size: segment.size,
    })),
  });
};

export const listMultipartUploads: Handler = ({ request, storage }) => {
  storage.bucket(request.bucket);
  const prefix = queryOf(request, "prefix") ?? "";
  const most = Math.min(
    wholeNumber(queryOf(request, "max-uploads") ?? "1000", "max-uploads", 2 ** 31),
    1000,
  );
  const [keyMarker, idMarker] = [
    queryOf(request, "key-marker") ?? "",
    queryOf(request, "upload-id-marker") ?? "",
  ];
  const found = storage
    .uploads()
    .filter(({ bucket, key }) => bucket === request.bucket && key.startsWith(prefix))
    .sort(
      (a, b) => compareBytes(a.key, b.key) || a.startedAt - b.startedAt || compareBytes(a.id, b.id),
    );
  const start = found.findIndex(({ id }) => id === idMarker) + 1;
  const after = (idMarker ? found.slice(start) : found).filter(
    ({ key }) => keyMarker === "" || compareBytes(key, keyMarker) > (idMarker ? -1 : 0),
  );
  const page = after.slice(0, most);
  const truncated = after.length > page.length;
  return xmlAnswer("ListMultipartUploadsResult", {
    ...{ Bucket: request.bucket, KeyMarker: keyMarker, UploadIdMarker: idMarker, Prefix: prefix },
    NextKeyMarker: truncated ? page.at(-1)?.key : "",
    NextUploadIdMarker: truncated ? page.at(-1)?.id : "",
    ...{ MaxUploads: most, IsTruncated: truncated },
    Upload: page.map(({ key, id, startedAt }) => ({
      ...{ Key: key, UploadId: id, Initiator: owner, Owner: owner, StorageClass: "STANDARD" },
      Initiated: isoDate(startedAt),
    })),
  });
};
