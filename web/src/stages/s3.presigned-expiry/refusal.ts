/** Code and message of the document with which object storage refuses; empty when it is none. */
export function refusalOf(text: string): { readonly code: string; readonly message: string } {
  const error = new DOMParser().parseFromString(text, "application/xml").documentElement;
  const textOf = (name: string): string =>
    error.querySelector(`:scope > ${name}`)?.textContent ?? "";
  return { code: textOf("Code"), message: textOf("Message") };
}

/** The link in an answer of the app. @throws Error when there is none. */
export function linkOf(body: unknown): string {
  const url = (body as { readonly url?: unknown } | null)?.url;
  if (typeof url !== "string") throw new Error("the app's answer holds no link");
  return url;
}
