/** For `error.type` of spans and metrics: the error's code, else its name. */
export function errorTypeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (typeof code === "string") return code;
  return error instanceof Error ? error.name : "_OTHER";
}
