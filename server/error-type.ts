/** What an error says it is, where it does: SQLSTATE, errno, a status; undefined for anything else. */
export const codeOf = (error: unknown): unknown =>
  (error as { readonly code?: unknown } | null | undefined)?.code;

/** For `error.type` of spans and metrics: the error's code, else its name. */
export function errorTypeOf(error: unknown): string {
  const code = codeOf(error);
  if (typeof code === "string") return code;
  return error instanceof Error ? error.name : "_OTHER";
}
