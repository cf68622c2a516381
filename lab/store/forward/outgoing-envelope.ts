import type { SentryProject } from "./dsn.ts";

/** One item as it stands in its envelope: header line, payload and the newlines between. */
interface RawItem {
  readonly type: string;
  readonly bytes: Buffer;
}

export interface OutgoingEnvelope {
  /** Undefined when no item is left. */
  readonly body: Buffer | undefined;
  /** Items left out. */
  readonly left: number;
}

const newline = 0x0a;

/**
 * A received envelope as it goes on to a project: its header names that project, items whose type
 * does not pass are left out, everything else stays byte for byte. The envelope was accepted before.
 */
export function outgoingEnvelope(
  bytes: Buffer,
  { dsn, publicKey }: SentryProject,
  passes: (type: string) => boolean,
): OutgoingEnvelope {
  const end = lineEnd(bytes, 0);
  const header = JSON.parse(bytes.toString("utf8", 0, end)) as Readonly<Record<string, unknown>>;
  const items = itemsOf(bytes, end + 1);
  const kept = items.filter(({ type }) => passes(type));
  const left = items.length - kept.length;
  if (kept.length === 0) return { body: undefined, left };
  const { trace } = header;
  const rewritten = {
    ...header,
    dsn,
    // The sampling context names the key, too, and one that does not fit is not believed.
    ...(typeof trace === "object" && trace !== null
      ? { trace: { ...trace, public_key: publicKey } }
      : {}),
  };
  const body = Buffer.concat([
    Buffer.from(`${JSON.stringify(rewritten)}\n`),
    ...kept.map((item) => item.bytes),
  ]);
  return { body, left };
}

function itemsOf(bytes: Buffer, from: number): readonly RawItem[] {
  const items: RawItem[] = [];
  let at = from;
  while (at < bytes.length) {
    if (bytes[at] === newline) {
      at++;
      continue;
    }
    const headerEnd = lineEnd(bytes, at);
    const header = JSON.parse(bytes.toString("utf8", at, headerEnd)) as {
      readonly type: string;
      readonly length?: number;
    };
    const offset = Math.min(headerEnd + 1, bytes.length);
    const end =
      header.length === undefined
        ? lineEnd(bytes, offset)
        : Math.min(offset + header.length, bytes.length);
    const item = bytes.subarray(at, end);
    items.push({ type: header.type, bytes: Buffer.concat([item, Buffer.from("\n")]) });
    at = end + 1;
  }
  return items;
}

function lineEnd(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(newline, from);
  return at < 0 ? bytes.length : at;
}
