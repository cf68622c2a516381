import { headerOf, type S3Request } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import type { ObjectVersion } from "./storage.ts";

type State = Pick<ObjectVersion, "etag" | "modifiedAt">;

const matches = (list: string, etag: string): boolean =>
  list.split(",").some((item) => {
    const text = item.trim().replace(/^W\//, "").replace(/^"|"$/g, "");
    return text === "*" || text === etag;
  });
/** HTTP dates have whole seconds. */
const seconds = (ms: number): number => Math.floor(ms / 1000);
function later(state: State, date: string): boolean | undefined {
  const time = Date.parse(date);
  return Number.isNaN(time) ? undefined : seconds(state.modifiedAt) > seconds(time);
}

/**
 * Conditions of a read (https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2).
 * @param prefix `x-amz-copy-source-` for the source of a copy.
 * @returns `unchanged` when the client may keep what it has.
 * @throws S3Error `PreconditionFailed`.
 */
export function checkRead(request: S3Request, state: State, prefix = ""): "fresh" | "unchanged" {
  const header = (name: string): string | undefined => headerOf(request, `${prefix}${name}`);
  const ifMatch = header("if-match");
  const ifUnmodified = header("if-unmodified-since");
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, state.etag)) throw failed("If-Match");
  } else if (ifUnmodified !== undefined && later(state, ifUnmodified) === true) {
    throw failed("If-Unmodified-Since");
  }
  const ifNone = header("if-none-match");
  const ifModified = header("if-modified-since");
  if (ifNone !== undefined) return matches(ifNone, state.etag) ? "unchanged" : "fresh";
  return ifModified !== undefined && later(state, ifModified) === false ? "unchanged" : "fresh";
}

/**
 * Conditions of a write (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
 * @throws S3Error `PreconditionFailed`, or `NoSuchKey` for a change to what is not there.
 */
export function checkWrite(request: S3Request, existing: State | undefined): void {
  const ifMatch = headerOf(request, "if-match");
  const ifNone = headerOf(request, "if-none-match");
  if (ifMatch !== undefined) {
    if (existing === undefined) throw new S3Error("NoSuchKey");
    if (!matches(ifMatch, existing.etag)) throw failed("If-Match");
  }
  if (ifNone !== undefined) {
    if (ifNone.trim() !== "*") throw new S3Error("NotImplemented");
    if (existing !== undefined) throw failed("If-None-Match");
  }
}

const failed = (condition: string): S3Error =>
  new S3Error("PreconditionFailed", undefined, { Condition: condition });
