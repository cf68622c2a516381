/** An error that is meant for the client: status, code, message and hint are safe to show. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  /** For the header `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    options: ErrorOptions & { readonly hint: string; readonly retryAfterSeconds?: number },
  ) {
    super(message, options);
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.status = status;
    this.code = code;
    this.hint = options.hint;
  }
}

/** What a client gets to see of an error. */
export interface ErrorAnswer {
  readonly status: number;
  readonly body: {
    readonly error: {
      readonly code: string;
      readonly message: string;
      readonly hint: string;
      readonly traceId?: string;
    };
  };
}

/** Anything but an {@link AppError} is our fault, and its text stays inside. */
export function answerTo(error: unknown, traceId: string | undefined): ErrorAnswer {
  const shown =
    error instanceof AppError
      ? { status: error.status, code: error.code, message: error.message, hint: error.hint }
      : {
          status: 500,
          code: "internal_error",
          message: "The server failed to answer this request.",
          hint: "Look the trace id up in the traces, the logs or Sentry.",
        };
  const { status, ...rest } = shown;
  return { status, body: { error: { ...rest, ...(traceId === undefined ? {} : { traceId }) } } };
}
