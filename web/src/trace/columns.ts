import { kinds, type Trace, type TraceSpan } from "./trace.ts";

/** What the lab answers large traces as: no attributes, 24 bytes per span. */
export const columnsType = "application/x-lab-columns";

const magic = "LABCOL02";
const failedStatus = 2;
/** Place of a parent that the span names and nobody sent; its id is not told. */
const absentParent = -2;
const absentId = "not sent";

interface Header {
  readonly startTimeUnixNano: string;
  /** Unit of starts and durations, in nanoseconds. */
  readonly tickNs: number;
  readonly names: readonly string[];
  readonly sources: readonly { readonly service: string; readonly dataStore: string | null }[];
}

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * Makes the store's columns drawable; layout in `lab/store/trace-columns.ts`. Details of a span are
 * to be asked for one by one. @throws Error when the bytes are something else.
 */
export function decodeColumns(id: string, bytes: ArrayBuffer): Trace {
  const preamble = new DataView(bytes, 0, 16);
  const text = new TextDecoder();
  if (text.decode(new Uint8Array(bytes, 0, 8)) !== magic) throw new Error("These are no columns.");
  const jsonBytes = preamble.getUint32(8, true);
  const count = preamble.getUint32(12, true);
  const { startTimeUnixNano, tickNs, names, sources } = JSON.parse(
    text.decode(new Uint8Array(bytes, 16, jsonBytes)),
  ) as Header;
  let at = 16 + jsonBytes;
  const take = (width: number): number => {
    const start = at;
    at += width * count;
    return start;
  };
  // Every column starts at a multiple of its width; browsers run on little-endian machines only.
  const ids = new Uint8Array(bytes, take(8), count * 8);
  const parents = new Int32Array(bytes, take(4), count);
  const starts = new Uint32Array(bytes, take(4), count);
  const durations = new Uint32Array(bytes, take(4), count);
  const nameIds = new Uint16Array(bytes, take(2), count);
  const sourceIds = new Uint8Array(bytes, take(1), count);
  const flags = new Uint8Array(bytes, take(1), count);

  const idAt = (place: number): string => {
    let hex = "";
    for (let byte = place * 8; byte < place * 8 + 8; byte++) hex += hexOfByte[ids[byte] as number];
    return hex;
  };
  const spanIds = Array.from({ length: count }, (_, place) => idAt(place));
  const msPerTick = tickNs / 1e6;
  const spans: TraceSpan[] = [];
  let durationMs = 0;
  for (let place = 0; place < count; place++) {
    const flag = flags[place] as number;
    const source = sources[sourceIds[place] as number];
    const service = source?.service || "unknown_service";
    const startMs = (starts[place] as number) * msPerTick;
    const endMs = startMs + (durations[place] as number) * msPerTick;
    durationMs = Math.max(durationMs, endMs);
    spans.push({
      id: spanIds[place] as string,
      parentId:
        parents[place] === absentParent ? absentId : (spanIds[parents[place] as number] ?? null),
      name: names[nameIds[place] as number] ?? "",
      service,
      hue: source?.dataStore ?? service,
      kind: kinds[flag & 7] ?? "unspecified",
      startMs,
      endMs,
      failed: ((flag >> 3) & 3) === failedStatus,
      hasEvents: (flag & 32) !== 0,
      farOff: (flag & 64) !== 0,
      details: null,
    });
  }
  return {
    id,
    startUnixNano: BigInt(startTimeUnixNano),
    durationMs,
    spans,
    hues: [...new Set(spans.map(({ hue }) => hue))],
  };
}
