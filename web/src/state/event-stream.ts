/** One message of a `text/event-stream`. */
export interface StreamMessage {
  readonly id: string | null;
  readonly event: string;
  readonly data: string;
}

/**
 * Parser for server-sent events: takes text in any cut and gives whole messages
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
 */
export function eventParser(): (chunk: string) => StreamMessage[] {
  let rest = "";
  let id: string | null = null;
  let event = "message";
  let data: string[] = [];
  return (chunk) => {
    const messages: StreamMessage[] = [];
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) messages.push({ id, event, data: data.join("\n") });
        event = "message";
        data = [];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") data.push(value);
      else if (field === "event") event = value;
      else if (field === "id" && !value.includes("\0")) id = value;
    }
    return messages;
  };
}

export interface StreamListener {
  /** `fresh`: the server could not continue from the last id, because there was none. */
  readonly onOpen: (fresh: boolean) => void;
  readonly onMessage: (message: StreamMessage) => void;
  /** The stream broke or could not be opened; it is tried again by itself. */
  readonly onBroken: () => void;
}

const firstRetryMs = 250;
const lastRetryMs = 3000;

/**
 * Follows a server-sent event stream until the signal aborts: reconnects with `Last-Event-ID` and
 * growing pauses. Unlike `EventSource` it also survives answers other than 200, which a lab that is
 * starting gives.
 */
export async function followEvents(
  url: string,
  listener: StreamListener,
  signal: AbortSignal,
): Promise<void> {
  let lastId: string | null = null;
  let pauseMs = firstRetryMs;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (lastId !== null) headers["last-event-id"] = lastId;
      const response = await fetch(url, { headers, signal, cache: "no-store" });
      if (response.ok && response.body !== null) {
        listener.onOpen(lastId === null);
        pauseMs = firstRetryMs;
        const parse = eventParser();
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          for (const message of parse(value)) {
            if (message.id !== null) lastId = message.id;
            listener.onMessage(message);
          }
        }
      }
    } catch (error) {
      if (!signal.aborted && !(error instanceof TypeError)) console.warn("event stream", error);
    }
    if (signal.aborted) return;
    listener.onBroken();
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, lastRetryMs);
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
