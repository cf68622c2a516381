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

/**
 * Cuts a byte stream into requests, which are arrays of bulk strings
 * (https://valkey.io/topics/protocol/). Takes what arrived, gives the requests that it completed.
 * @throws Error for what is no request or larger than allowed; the connection is of no use then.
 */
export function requestReader(mostBytes: () => number): (chunk: Buffer) => Buffer[][] {
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
    let at = 0;
    needed = 0;
    /** The length that a line of its own tells; undefined while the line is not complete. */
    const length = (mark: string, most: number): number | undefined => {
      const end = bytes.indexOf("\r\n", at);
      const line = bytes.toString("latin1", at, Math.min(end < 0 ? bytes.length : end, at + 12));
      if (end < 0 && line.length < 12) return undefined;
      if (line[0] !== mark || !/^.\d+$/.test(line) || Number(line.slice(1)) > most)
        throw new Error(`ERR Protocol error: expected '${mark}' and a length`);
      at = end + 2;
      return Number(line.slice(1));
    };
    reading: while (start < bytes.length) {
      const count = length("*", 1024);
      if (count === undefined) break;
      const items: Buffer[] = [];
      while (items.length < count) {
        const size = length("$", mostBytes());
        if (size === undefined) break reading;
        needed = at + size + 2 - start;
        if (bytes.length < start + needed) break reading;
        items.push(bytes.subarray(at, at + size));
        at += size + 2;
      }
      if (count > 0) requests.push(items);
      start = at;
      needed = 0;
    }
    chunks = [bytes.subarray(start)];
    held = bytes.length - start;
    return requests;
  };
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
