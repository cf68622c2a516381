import type { FeedMessage } from "./contract.ts";
import type { Growth } from "./growth.ts";
import type { GrowthListener } from "./store.ts";

/** One reader of the live feed, e.g. an HTTP response. */
export interface FeedReader {
  readonly write: (line: string) => void;
  /** Bytes written and not yet taken by the reader. */
  readonly pending: () => number;
  /** Ends the connection at once. */
  readonly destroy: () => void;
}

export interface Feed {
  readonly grew: GrowthListener;
  /** Greets the reader and sends it all that follows. Returns what ends that. */
  readonly join: (reader: FeedReader) => () => void;
  readonly readers: () => number;
  /** Ends every connection and the beat. */
  readonly close: () => void;
}

export interface FeedOptions {
  readonly beatMs?: number;
  /** A reader that lets more than this pile up is dropped; it reads everything anew when it is back. */
  readonly maxPendingBytes?: number;
  /** Id and run of a trace number. */
  readonly describe: (trace: number) => { readonly traceId: string; readonly runId: string | null };
}

/**
 * The live feed. What arrives within one turn of the event loop is told in one message, so that a
 * burst of small requests does not become a burst of messages.
 */
export function openFeed(options: FeedOptions): Feed {
  const { beatMs = 5000, maxPendingBytes = 256 * 1024, describe } = options;
  const readers = new Set<FeedReader>();
  let pending = new Map<number, Growth>();
  let seq = 0;

  function send(message: FeedMessage): void {
    const line = `${JSON.stringify(message)}\n`;
    for (const reader of readers) {
      reader.write(line);
      if (reader.pending() <= maxPendingBytes) continue;
      readers.delete(reader);
      reader.destroy();
    }
  }
  function flush(): void {
    const traces = [...pending].map(([trace, growth]) => ({ ...describe(trace), ...growth }));
    pending = new Map();
    seq++;
    if (readers.size > 0) send({ type: "grew", seq, traces });
  }
  const beat = setInterval(() => send({ type: "beat", seq }), beatMs);
  beat.unref();

  return {
    grew: (growth) => {
      if (pending.size === 0) setImmediate(flush);
      for (const [trace, { spans, logs, sentry }] of growth) {
        const known = pending.get(trace);
        if (known === undefined) {
          pending.set(trace, { spans, logs, sentry });
          continue;
        }
        known.spans += spans;
        known.logs += logs;
        known.sentry += sentry;
      }
    },
    join: (reader) => {
      readers.add(reader);
      reader.write(`${JSON.stringify({ type: "hello", seq } satisfies FeedMessage)}\n`);
      return () => readers.delete(reader);
    },
    readers: () => readers.size,
    close: () => {
      clearInterval(beat);
      for (const reader of readers) reader.destroy();
      readers.clear();
    },
  };
}
