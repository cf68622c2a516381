import { CircuitOpenError } from "../valkey/circuit.ts";

/** Answers that no working provider gives, and no answer at all. The codes are openid-client's. */
const awayCodes = new Set([
  "OAUTH_TIMEOUT",
  "OAUTH_RESPONSE_IS_NOT_CONFORM",
  "OAUTH_RESPONSE_IS_NOT_JSON",
]);

interface Coded {
  readonly code?: unknown;
  readonly error?: unknown;
  readonly status?: unknown;
  readonly cause?: { readonly code?: unknown };
}

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Thrown when the provider cannot be used at all, because it does not describe itself properly. */
export class ProviderUnusableError extends Error {
  override readonly name = "ProviderUnusableError";
  readonly code: string;

  constructor(cause: unknown) {
    super("the identity provider cannot be used", { cause });
    this.code = codeOf(cause);
  }
}

/** Is the provider away, as against saying no? */
export function isProviderAway(error: unknown): boolean {
  if (error instanceof CircuitOpenError || error instanceof ProviderUnusableError) return true;
  // What `fetch` throws when there is no connection.
  if (error instanceof TypeError && error.message === "fetch failed") return true;
  return awayCodes.has(codeOf(error));
}

/** For `error.type`: a code of the library or of the system, else the error's name. */
export function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as Coded;
  const name = error instanceof Error ? error.name : "_OTHER";
  return text(code) ?? text(cause?.code) ?? name;
}

/** For logs: what the provider called it (`invalid_grant`), else the code. */
export function reasonOf(error: unknown): string {
  const said = text((error as Coded | null)?.error);
  return said !== undefined && /^[a-z_]{1,60}$/.test(said) ? said : codeOf(error);
}
