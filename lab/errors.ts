/**
 * An error a person can act on: `message` says what happened, with the value; `hint` says what to
 * do next. CLI and page print the hint on a line of its own; `code` is stable and greppable.
 */
export class LabError extends Error {
  override readonly name = "LabError";
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, options: ErrorOptions & { readonly hint: string }) {
    super(message, options);
    this.code = code;
    this.hint = options.hint;
  }
}
