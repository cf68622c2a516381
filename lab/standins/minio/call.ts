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

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | AsyncIterable<Buffer>;
}
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
export const isoDate = (ms: number): string => new Date(ms).toISOString();
export const httpDate = (ms: number): string => new Date(ms).toUTCString();
export const quoted = (etag: string): string => `"${etag}"`;
