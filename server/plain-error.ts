import { codeOf } from "./error-type.ts";

/** An error as it may be logged: no parameters, rows or requests that hang on the object. */
export interface PlainError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: PlainError;
}

/** Takes the few safe fields of whatever was thrown, causes included (at most eight). */
export function plainError(thrown: unknown, depth = 0): PlainError {
  if (!(thrown instanceof Error)) return { type: typeof thrown, message: String(thrown) };
  const code = codeOf(thrown);
  return {
    type: thrown.name,
    message: thrown.message,
    ...(typeof code === "string" ? { code } : {}),
    ...(thrown.stack === undefined ? {} : { stack: thrown.stack }),
    ...(thrown.cause !== undefined && depth < 8
      ? { cause: plainError(thrown.cause, depth + 1) }
      : {}),
  };
}
