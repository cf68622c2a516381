import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { openStoreServer, type StoreServer, type StoreServerOptions } from "../store-server.ts";

/** An empty folder, removed after the test. */
export async function emptyDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "lab-store-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A store server on a free port, closed after the test; unexpected errors fail the test. */
export async function openTestStore(
  options: Partial<StoreServerOptions> = {},
): Promise<StoreServer & { readonly post: Post; readonly get: Get }> {
  const errors: unknown[] = [];
  const server = await openStoreServer({
    port: 0,
    dir: options.dir ?? (await emptyDir()),
    onError: (error) => errors.push(error),
    ...options,
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= server.close();
    return closing;
  };
  onTestFinished(async () => {
    await close();
    if (errors.length > 0) throw errors[0];
  });
  return {
    ...server,
    close,
    post: (path, body, headers = {}) =>
      fetch(`${server.url}${path}`, {
        method: "POST",
        body: body as string,
        headers: { "content-type": "application/x-protobuf", ...headers },
      }),
    get: async <T>(path: string) => (await (await fetch(`${server.url}${path}`)).json()) as T,
  };
}

type Post = (
  path: string,
  body: string | Uint8Array,
  headers?: Readonly<Record<string, string>>,
) => Promise<Response>;
// What a test reads is what it asserts: the shape is part of the expectation.
type Get = <T>(path: string) => Promise<T>;

/** A request as raw as Node lets us make it, for what `fetch` refuses to send. */
export function rawRequest(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  method = "GET",
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  request({ host: "127.0.0.1", port, path, headers, method, setHost: false }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  })
    .on("error", reject)
    .end();
  return promise;
}
