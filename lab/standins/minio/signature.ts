import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { headerOf, queryOf, type S3Request } from "./request.ts";
import { S3Error } from "./s3-error.ts";

/** Who may sign, and for which region. */
export interface Account {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
}

/** A request whose signature fits, and what it says about its body. */
export interface Authorised {
  /** `x-amz-content-sha256`: a hash, `UNSIGNED-PAYLOAD`, or the name of a streaming form. */
  readonly payloadHash: string;
  /** For bodies that are signed chunk by chunk. */
  readonly chain: SignatureChain;
}
export interface SignatureChain {
  readonly seed: string;
  readonly sign: (stringToSign: string) => string;
  readonly date: string;
  readonly scope: string;
}

const algorithm = "AWS4-HMAC-SHA256";
export const unsignedPayload = "UNSIGNED-PAYLOAD";
const maxSkewMs = 15 * 60_000;
const longestExpirySeconds = 7 * 24 * 3600;

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest();

/** Unreserved characters stay, all others become `%XX` of their UTF-8 bytes. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/**
 * Checks a request by Signature Version 4, in its header or its query
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html).
 * @throws S3Error with S3's code for each way to fail.
 */
export function authorise(request: S3Request, account: Account, now: number): Authorised {
  const header = headerOf(request, "authorization");
  const inQuery = queryOf(request, "X-Amz-Signature") !== undefined;
  if (header !== undefined && inQuery) {
    throw new S3Error("InvalidArgument", "Only one auth mechanism allowed.");
  }
  if (header !== undefined) return byHeader(request, header, account, now);
  if (inQuery || queryOf(request, "X-Amz-Algorithm") !== undefined) {
    return byQuery(request, account, now);
  }
  throw new S3Error("AccessDenied");
}

function byHeader(request: S3Request, header: string, account: Account, now: number): Authorised {
  if (!header.startsWith(`${algorithm} `)) {
    throw new S3Error(
      "InvalidRequest",
      `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`,
    );
  }
  const parts = new Map(
    header
      .slice(algorithm.length)
      .split(",")
      .map((part): [string, string] => {
        const [name = "", ...value] = part.trim().split("=");
        return [name, value.join("=")];
      }),
  );
  const [credential, signedHeaders, signature] = ["Credential", "SignedHeaders", "Signature"].map(
    (name) => {
      const value = parts.get(name);
      if (!value) throw new S3Error("AuthorizationHeaderMalformed", `${name} is missing.`);
      return value;
    },
  ) as [string, string, string];
  const date = headerOf(request, "x-amz-date") ?? "";
  const time = timeOf(date);
  if (time === undefined) {
    throw new S3Error(
      "AccessDenied",
      "AWS authentication requires a valid Date or x-amz-date header.",
    );
  }
  if (Math.abs(now - time) > maxSkewMs) {
    throw new S3Error("RequestTimeTooSkewed", undefined, {
      RequestTime: date,
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: String(maxSkewMs),
    });
  }
  const scope = checkedScope(credential, date, account, "AuthorizationHeaderMalformed");
  const payloadHash = headerOf(request, "x-amz-content-sha256");
  if (payloadHash === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "Missing required header for this request: x-amz-content-sha256.",
    );
  }
  return checkSignature(request, { account, date, scope, signedHeaders, signature, payloadHash });
}

function byQuery(request: S3Request, account: Account, now: number): Authorised {
  const get = (name: string): string => {
    const value = queryOf(request, name);
    if (!value) throw new S3Error("AuthorizationQueryParametersError", `${name} is missing.`);
    return value;
  };
  if (get("X-Amz-Algorithm") !== algorithm) {
    throw new S3Error(
      "AuthorizationQueryParametersError",
      `X-Amz-Algorithm only supports "${algorithm}".`,
    );
  }
  const [credential, date, expires, signedHeaders, signature] = [
    get("X-Amz-Credential"),
    get("X-Amz-Date"),
    get("X-Amz-Expires"),
    get("X-Amz-SignedHeaders"),
    get("X-Amz-Signature"),
  ];
  const time = timeOf(date);
  if (time === undefined) {
    throw new S3Error(
      "AuthorizationQueryParametersError",
      "X-Amz-Date must be in the form yyyyMMdd'T'HHmmss'Z'.",
    );
  }
  if (!/^\d{1,7}$/.test(expires) || Number(expires) > longestExpirySeconds) {
    throw new S3Error(
      "AuthorizationQueryParametersError",
      `X-Amz-Expires must be a number of seconds up to ${longestExpirySeconds}.`,
    );
  }
  const scope = checkedScope(credential, date, account, "AuthorizationQueryParametersError");
  if (time > now + maxSkewMs) throw new S3Error("AccessDenied", "Request is not valid yet");
  const payloadHash = queryOf(request, "X-Amz-Content-Sha256") ?? unsignedPayload;
  const authorised = checkSignature(request, {
    ...{ account, date, scope, signedHeaders, signature, payloadHash },
  });
  // After the signature, so that a forged link is not told when the true one ended.
  const endsAt = time + Number(expires) * 1000;
  if (now > endsAt) {
    throw new S3Error("AccessDenied", "Request has expired", {
      "X-Amz-Expires": expires,
      Expires: new Date(endsAt).toISOString(),
      ServerTime: new Date(now).toISOString(),
    });
  }
  return authorised;
}

/** `20261122T101500Z` as milliseconds. */
function timeOf(date: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** `<date>/<region>/s3/aws4_request` of a credential that is ours. */
function checkedScope(
  credential: string,
  date: string,
  account: Account,
  malformed: "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError",
): string {
  const parts = credential.split("/");
  const [day, region, service, terminator] = parts.slice(-4);
  const accessKey = parts.slice(0, -4).join("/");
  if (parts.length < 5 || service !== "s3" || terminator !== "aws4_request") {
    throw new S3Error(
      malformed,
      "The credential is not of the form key/date/region/s3/aws4_request.",
    );
  }
  if (day !== date.slice(0, 8)) {
    throw new S3Error(malformed, "The date of the credential is not the date of the request.");
  }
  if (region !== account.region) {
    throw new S3Error(malformed, `The region is wrong; expecting '${account.region}'.`, {
      Region: account.region,
    });
  }
  if (accessKey !== account.accessKey) throw new S3Error("InvalidAccessKeyId");
  return `${day}/${region}/s3/aws4_request`;
}

interface Claim {
  readonly account: Account;
  readonly date: string;
  readonly scope: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly payloadHash: string;
}

function checkSignature(request: S3Request, claim: Claim): Authorised {
  const signed = claim.signedHeaders.split(";");
  const unsigned = Object.keys(request.headers).filter(
    (name) => name.startsWith("x-amz-") && !signed.includes(name),
  );
  // A hash in the query says it all; a presigned upload may repeat it as a header.
  if (!signed.includes("host") || unsigned.some((name) => name !== "x-amz-content-sha256")) {
    throw new S3Error(
      "AccessDenied",
      "There were headers present in the request which were not signed",
      {
        HeadersNotSigned: unsigned.join(", ") || "host",
      },
    );
  }
  const [day, region] = claim.scope.split("/") as [string, string];
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>(
    hmac,
    `AWS4${claim.account.secretKey}`,
  );
  const sign = (text: string): string => hmac(key, text).toString("hex");
  const canonical = canonicalRequest(request, signed, claim.payloadHash);
  const expected = sign([algorithm, claim.date, claim.scope, sha256(canonical)].join("\n"));
  if (!sameText(expected, claim.signature)) throw new S3Error("SignatureDoesNotMatch");
  return {
    payloadHash: claim.payloadHash,
    chain: { seed: expected, sign, date: claim.date, scope: claim.scope },
  };
}

function canonicalRequest(
  request: S3Request,
  signed: readonly string[],
  payloadHash: string,
): string {
  const query = request.pairs
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  const headers = signed.map(
    (name) => `${name}:${(headerOf(request, name) ?? "").trim().replace(/\s+/g, " ")}\n`,
  );
  return [
    request.method,
    request.path.split("/").map(encoded).join("/"),
    query,
    headers.join(""),
    signed.join(";"),
    payloadHash,
  ].join("\n");
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Takes as long for a text that differs in its first character as for one that differs in its last. */
export function sameText(a: string, b: string): boolean {
  const [one, other] = [a, b].map((text) => createHash("sha256").update(text).digest());
  return timingSafeEqual(one as Buffer, other as Buffer);
}
