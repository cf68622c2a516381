import { LabError } from "#lab/errors.ts";

/** Why a request is not served. Never carries anything the request said. */
export class Refusal extends LabError {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    options: { readonly hint: string; readonly retryAfterSeconds?: number },
  ) {
    super(code, message, options);
    this.status = status;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
