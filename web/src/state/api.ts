import * as v from "valibot";
import { errorBodySchema } from "#lab/api/error.ts";
import { header } from "#scenarios/names.ts";

/** What the front door refused, or that it could not be reached (status 0). */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** What went wrong and what to do about it, in words for a person. */
export interface Apology {
  readonly message: string;
  readonly hint: string;
}

/** GET of one of the lab's routes. @throws ApiError */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await reach(path, signal === undefined ? {} : { signal });
  return (await response.json()) as T;
}

/** GET with a preference for the kind of answer; look at its content type. @throws ApiError */
export const getResponse = (path: string, accept: string, signal: AbortSignal): Promise<Response> =>
  reach(path, { signal, headers: { accept } });

/** POST to one of the lab's routes, with the headers its guard asks for. @throws ApiError */
export const postJson = <T>(path: string, body: unknown = {}): Promise<T> =>
  sendJson<T>("POST", path, body);

/** DELETE of one of the lab's routes. @throws ApiError */
export const deleteJson = <T>(path: string): Promise<T> => sendJson<T>("DELETE", path, {});

async function sendJson<T>(method: string, path: string, body: unknown): Promise<T> {
  const response = await reach(path, {
    method,
    headers: { "content-type": "application/json", [header.csrf]: "1" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(path, init).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new ApiError(
      0,
      "unreachable",
      "The lab does not answer.",
      "Start it again with npm run lab; this page reconnects by itself.",
    );
  });
  if (response.ok) return response;
  throw await refusal(response);
}

async function refusal(response: Response): Promise<ApiError> {
  const parsed = v.safeParse(errorBodySchema, await response.json().catch(() => undefined));
  if (!parsed.success) {
    return new ApiError(
      response.status,
      "http",
      `The lab answered ${response.status}.`,
      "Try again in a moment.",
    );
  }
  const { code, message, hint } = parsed.output.error;
  return new ApiError(response.status, code, message, hint);
}

/** Any failure as something a person can read. */
export function apologyOf(error: unknown): Apology {
  if (error instanceof ApiError) return { message: error.message, hint: error.hint };
  return { message: error instanceof Error ? error.message : String(error), hint: "Try again." };
}
