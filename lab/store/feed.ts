import type { FeedMessage } from "./contract.ts";
import type { Growth } from "./growth.ts";
import type { GrowthListener } from "./store.ts";

/** What a reader of the feed wants to hear of; everything where nothing is named. */
export interface FeedFilter {
  readonly traceId?: string | undefined;
  /** Traces of this run, from when a span or log of theirs named it. */
  readonly runId?: string | undefined;
}

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
  /** Greets the reader and sends it what follows and passes the filter. Returns what ends that. */
  readonly join: (reader: FeedReader, filter?: FeedFilter) => () => void;
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
  /** Whether the trace is one of the run's; a trace may belong to several. */
  readonly belongs: (trace: number, runId: string) => boolean;
}

/**
 * The live feed. What arrives within one turn of the event loop is told in one message, so that a
 * burst of small requests does not become a burst of messages.
 */
export function openFeed(options: FeedOptions): Feed {
  const { beatMs = 5000, maxPendingBytes = 256 * 1024, describe, belongs } = options;
  const readers = new Map<FeedReader, FeedFilter>();
  let pending = new Map<number, Growth>();
  let seq = 0;

  function write(reader: FeedReader, line: string): void {
    reader.write(line);
    if (reader.pending() <= maxPendingBytes) return;
    readers.delete(reader);
    reader.destroy();
  }
  function flush(): void {
    const grown = [...pending];
    pending = new Map();
    seq++;
    if (readers.size === 0) return;
    const told = grown.map(([trace, growth]) => ({
      trace,
      told: { ...describe(trace), ...growth },
    }));
    const whole = told.map((each) => each.told);
    let line: string | undefined;
    for (const [reader, { traceId, runId }] of readers) {
      if (traceId === undefined && runId === undefined) {
        line ??= lineOf({ type: "grew", seq, traces: whole });
        write(reader, line);
        continue;
      }
      const wanted = told.filter(
        (each) =>
          (traceId === undefined || each.told.traceId === traceId) &&
          (runId === undefined || belongs(each.trace, runId)),
      );
      const traces = wanted.map((each) => each.told);
      if (traces.length > 0) write(reader, lineOf({ type: "grew", seq, traces }));
    }
  }
  const beat = setInterval(() => {
    const line = lineOf({ type: "beat", seq });
    for (const reader of readers.keys()) write(reader, line);
  }, beatMs);
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
    join: (reader, filter = {}) => {
      readers.set(reader, filter);
      reader.write(lineOf({ type: "hello", seq }));
      return () => readers.delete(reader);
    },
    readers: () => readers.size,
    close: () => {
      clearInterval(beat);
      for (const reader of readers.keys()) reader.destroy();
      readers.clear();
    },
  };
}

const lineOf = (message: FeedMessage): string => `${JSON.stringify(message)}\n`;
