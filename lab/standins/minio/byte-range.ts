import { S3Error } from "./s3-error.ts";

/** First and last byte, both included. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * One range of a `Range` header (https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2). Several
 * ranges, and what is no byte range at all, mean the whole object, as S3 answers it.
 * @throws S3Error `InvalidRange`.
 */
export function readRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  const unsatisfiable = (): S3Error =>
    new S3Error("InvalidRange", undefined, {
      RangeRequested: header ?? "",
      ActualObjectSize: String(size),
    });
  if (first === "") {
    if (Number(last) === 0 || size === 0) throw unsatisfiable();
    return { from: Math.max(size - Number(last), 0), to: size - 1 };
  }
  if (Number(first) >= size) throw unsatisfiable();
  return { from: Number(first), to: last === "" ? size - 1 : Math.min(Number(last), size - 1) };
}
