/** What goes back: text and buffers are bulk strings. */
export type Reply =
  | null
  | number
  | string
  | Buffer
  | { readonly simple: string }
  | { readonly error: string }
  | readonly Reply[];

export const ok: Reply = { simple: "OK" };
const lineLimit = 64 * 1024;

/**
 * Cuts a byte stream into requests, which are arrays of bulk strings
 * (https://valkey.io/topics/protocol/). Takes what arrived, gives the requests that it completed.
 * @throws Error for what is no request or larger than `limits`; the connection is of no use then.
 */
export function requestReader(
  limits: () => { readonly items: number; readonly itemBytes: number },
): (chunk: Buffer) => Buffer[][] {
  let chunks: Buffer[] = [];
  let held = 0;
  let needed = 0;
  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    // A large value arrives in many chunks: joining them each time would copy it as often.
    if (held < needed) return [];
    const bytes = Buffer.concat(chunks, held);
    const requests: Buffer[][] = [];
    let start = 0;
    needed = 0;
    while (start < bytes.length) {
      const read = readRequest(bytes, start, limits());
      if ("needs" in read) {
        needed = read.needs - start;
        break;
      }
      requests.push(read.items);
      start = read.end;
    }
    chunks = [bytes.subarray(start)];
    held = bytes.length - start;
    return requests.filter((items) => items.length > 0);
  };
}

type Read = { readonly items: Buffer[]; readonly end: number } | { readonly needs: number };

function readRequest(
  bytes: Buffer,
  start: number,
  limits: { readonly items: number; readonly itemBytes: number },
): Read {
  const items: Buffer[] = [];
  const head = readLength(bytes, start, "*", limits.items);
  let at = head?.end;
  while (head !== undefined && at !== undefined && items.length < head.length) {
    const line = readLength(bytes, at, "$", limits.itemBytes);
    at = line?.end;
    if (line === undefined) break;
    at = line.end + line.length + 2;
    if (bytes.length < at) return { needs: at };
    items.push(bytes.subarray(line.end, at - 2));
  }
  return at === undefined ? { needs: bytes.length + 1 } : { items, end: at };
}

/** Undefined while its line is not complete. */
function readLength(
  bytes: Buffer,
  start: number,
  mark: string,
  most: number,
): { readonly length: number; readonly end: number } | undefined {
  const newline = bytes.indexOf("\r\n", start);
  if (newline < 0 && bytes.length - start < lineLimit) return undefined;
  const line = bytes.toString("latin1", start, Math.max(start, Math.min(newline, start + 20)));
  if (line[0] !== mark || !/^.\d+$/.test(line) || Number(line.slice(1)) > most)
    throw new Error(`ERR Protocol error: expected '${mark}' and a length`);
  return { length: Number(line.slice(1)), end: newline + 2 };
}

/** The bytes of an answer in RESP2. */
export function encode(reply: Reply): Buffer {
  if (reply === null) return Buffer.from("$-1\r\n");
  if (typeof reply === "number") return Buffer.from(`:${reply}\r\n`);
  if (typeof reply === "string" || Buffer.isBuffer(reply)) {
    const bytes = Buffer.from(reply);
    return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")]);
  }
  if ("simple" in reply) return Buffer.from(`+${reply.simple}\r\n`);
  if ("error" in reply) return Buffer.from(`-${reply.error}\r\n`);
  return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encode)]);
}
