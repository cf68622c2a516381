import type { S3Request } from "./request.ts";
import type { Authorised } from "./signature.ts";
import type { Storage } from "./storage.ts";
import { document, type XmlFields } from "./xml.ts";

/** One request that may proceed, with what its handler needs. */
export interface Call {
  readonly request: S3Request;
  readonly authorised: Authorised;
  readonly storage: Storage;
  readonly region: string;
  readonly now: () => number;
}

/** What is sent back; without a body none. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | AsyncIterable<Buffer>;
}
/**
 * Answers one operation of the API; `api-routes.ts` says which
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html).
 * @throws S3Error with the code that the operation's page names.
 */
export type Handler = (call: Call) => Promise<Answer> | Answer;

export const xmlAnswer = (
  root: string,
  content: XmlFields,
  headers: Answer["headers"] = {},
): Answer => ({
  status: 200,
  headers: { "content-type": "application/xml", ...headers },
  body: document(root, content),
});
export const noContent: Answer = { status: 204 };

/** The one owner everything belongs to. */
export const owner = { ID: "lab", DisplayName: "lab" } as const;
/** As times stand in documents: `2026-01-31T12:00:00.000Z`. */
export const isoDate = (ms: number): string => new Date(ms).toISOString();
/** As times stand in headers (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7). */
export const httpDate = (ms: number): string => new Date(ms).toUTCString();
/** An entity tag is a quoted string (https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3). */
export const quoted = (etag: string): string => `"${etag}"`;
