import type { Socket } from "node:net";
import { type Effects, noEffects } from "./effects.ts";
import { openPolling } from "./polling.ts";

/** One way of a connection: what comes out of `source` goes into `sink`, its end included. */
export interface Link {
  /** Holds from now on, for what already waits too. */
  readonly setEffects: (effects: Effects) => void;
  /** The source has ended, and the end waits to be passed on. */
  readonly endWaits: () => boolean;
  /** Forgets what waits. */
  readonly close: () => void;
}

/** One for all links of the thread: whichever has something wakes it. */
const polling = openPolling();

/** Bytes that wait before the source is read no further, as the buffers of a slow network do. */
const waitingLimit = 256 * 1024;
/** With a bandwidth, bytes go in pieces of so long, so that they trickle. */
const pieceMs = 10;

/** Bytes, or the end, on their way. */
interface Piece {
  /** Null is the end. */
  readonly bytes: Buffer | null;
  readonly arrivedAt: number;
  readonly latencyMs: number;
  dueAt: number;
}

/** Without effects bytes are written as they are read. Order is kept whatever the effects are. */
export function openLink(source: Socket, sink: Socket, first: Effects): Link {
  let effects = first;
  let waiting: Piece[] = [];
  let waitingBytes = 0;
  let full = false;
  let timer: NodeJS.Timeout | undefined;

  const pass = (bytes: Buffer | null): void => {
    if (bytes === null) sink.end();
    else if (!sink.write(bytes) && !full) {
      full = true;
      source.pause();
    }
  };
  const readOn = (): void => {
    if (!full && waitingBytes < waitingLimit) source.resume();
  };

  function take(bytes: Buffer | null): void {
    if (effects === noEffects && waiting.length === 0) {
      pass(bytes);
      return;
    }
    for (const part of piecesOf(bytes, effects.bytesPerMs)) {
      const piece = pieceOf(part, effects);
      waiting.push(piece);
      piece.dueAt = dueAt(piece, waiting.at(-2)?.dueAt ?? 0, effects);
    }
    waitingBytes += bytes?.length ?? 0;
    if (waitingBytes >= waitingLimit) source.pause();
    plan();
  }

  function plan(): void {
    clearTimeout(timer);
    const next = waiting[0];
    if (next === undefined || next.dueAt === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(release, Math.max(0, Math.ceil(next.dueAt - performance.now())));
  }

  function release(): void {
    const now = performance.now();
    const due = waiting.findIndex((piece) => piece.dueAt > now);
    const ready = waiting.splice(0, due === -1 ? waiting.length : due);
    for (const { bytes } of ready) {
      waitingBytes -= bytes?.length ?? 0;
      pass(bytes);
    }
    readOn();
    plan();
  }

  source.on("data", (bytes: Buffer) => {
    take(bytes);
    polling.traffic();
  });
  source.on("end", () => take(null));
  sink.on("drain", () => {
    full = false;
    readOn();
  });

  return {
    setEffects: (next) => {
      effects = next;
      let before = 0;
      waiting = waiting.map((piece) => ({ ...piece, latencyMs: latencyOf(effects) }));
      for (const piece of waiting) {
        piece.dueAt = dueAt(piece, before, effects);
        before = piece.dueAt;
      }
      release();
    },
    endWaits: () => waiting.at(-1)?.bytes === null,
    close: () => {
      clearTimeout(timer);
      waiting = [];
    },
  };
}

const pieceOf = (bytes: Buffer | null, effects: Effects): Piece => ({
  bytes,
  arrivedAt: performance.now(),
  latencyMs: latencyOf(effects),
  dueAt: 0,
});

const latencyOf = ({ latencyMs, jitterMs }: Effects): number =>
  Math.max(0, latencyMs + (Math.random() * 2 - 1) * jitterMs);

/** Never before the piece in front of it. */
function dueAt({ bytes, arrivedAt, latencyMs }: Piece, before: number, effects: Effects): number {
  if (effects.held) return Number.POSITIVE_INFINITY;
  const arrives = Math.max(arrivedAt + latencyMs, before);
  return bytes === null
    ? arrives + effects.slowCloseMs
    : arrives + bytes.length / effects.bytesPerMs;
}

function piecesOf(bytes: Buffer | null, bytesPerMs: number): readonly (Buffer | null)[] {
  const size = Math.max(1, Math.floor(bytesPerMs * pieceMs));
  if (bytes === null || bytes.length <= size) return [bytes];
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}
