import type { Context, Tracer } from "@opentelemetry/api";
import { redactUrl } from "./redact.ts";

/** Shorter interactions are not reported by browsers. */
const shortestMs = 16;
/** A frame that takes longer is a long one. */
const longFrameMs = 50;
/** An interaction that nobody reports within this time after its frame was a short one. */
const reportedWithinMs = 1_000;

/** From input to the next paint, in milliseconds, and how it is rated (https://web.dev/articles/inp). */
export interface Latency {
  readonly value: number;
  readonly rating: "good" | "needs-improvement" | "poor";
}

/** A click and its latency. `at`: when it was made, on the clock of `performance.now()`. */
export interface MeasuredClick {
  readonly at: number;
  readonly latency: Latency;
}

const rated = (at: number, value: number): MeasuredClick => ({
  at,
  latency: {
    value,
    rating: value <= 200 ? "good" : value <= 500 ? "needs-improvement" : "poor",
  },
});

const tells = (type: string): boolean => PerformanceObserver.supportedEntryTypes.includes(type);

/**
 * The next click on `target` by a real input and its latency, as Interaction to Next Paint defines it.
 * Clicks made by scripts are no interactions and are not seen. Where the browser does not time
 * events (Safari before 26.2, WebKitGTK), the page takes the time until the next frame itself.
 */
export function nextClick(target: Element, signal: AbortSignal): Promise<MeasuredClick> {
  const { promise, resolve } = Promise.withResolvers<MeasuredClick>();
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as PerformanceEventTiming[]) {
      if (entry.name === "click" && entry.target !== null && target.contains(entry.target)) {
        resolve(rated(entry.startTime, entry.duration));
      }
    }
  });
  const timesEvents = tells("event");
  if (timesEvents) {
    observer.observe({ type: "event", durationThreshold: shortestMs } as PerformanceObserverInit);
  }
  target.addEventListener(
    "click",
    (event) => {
      if (!event.isTrusted) return;
      // Counted from the frame: handlers that run before it may take longer than the report does.
      requestAnimationFrame(() => {
        const at = event.timeStamp;
        if (timesEvents) setTimeout(resolve, reportedWithinMs, rated(at, shortestMs));
        // The first task after the frame.
        else setTimeout(() => resolve(rated(at, Math.round(performance.now() - at))));
      });
    },
    { signal },
  );
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  return promise.finally(() => observer.disconnect());
}

/**
 * What waits for the frame in which a click was handled, where that is a long one: browsers tell of
 * it after the click. Resolves without it when it does not come in time.
 */
export function clickedFrame(): {
  readonly onFrame: (end: number) => void;
  readonly of: (click: MeasuredClick) => Promise<void>;
} {
  let lastEnd = 0;
  let check = (): void => {};
  return {
    onFrame: (end) => {
      lastEnd = Math.max(lastEnd, end);
      check();
    },
    of: ({ at, latency: { value } }) =>
      new Promise((resolve) => {
        check = () => {
          if (value <= longFrameMs || lastEnd > at + value / 2) resolve();
        };
        check();
        setTimeout(resolve, reportedWithinMs);
      }),
  };
}

/** The parts of https://w3c.github.io/long-animation-frames/ that are told. */
interface LongFrame extends PerformanceEntry {
  readonly blockingDuration: number;
  readonly scripts: readonly {
    readonly invoker: string;
    readonly sourceURL: string;
    readonly sourceFunctionName: string;
    readonly duration: number;
  }[];
}

/**
 * One span per frame of more than 50 ms until the signal aborts. Where the browser does not tell of
 * them (all but Chromium), the page takes the time between two frames, and no script is named.
 * @param onFrame told of each with its end, on the clock of `performance.now()`
 */
export function traceLongFrames(
  tracer: Tracer,
  parent: Context,
  signal: AbortSignal,
  onFrame: (end: number) => void,
): void {
  const type = "long-animation-frame";
  if (!tells(type)) {
    traceGaps(tracer, parent, signal, onFrame);
    return;
  }
  const observer = new PerformanceObserver((list) => {
    for (const frame of list.getEntries() as LongFrame[]) {
      const startTime = performance.timeOrigin + frame.startTime;
      const longest = frame.scripts.toSorted((a, b) => b.duration - a.duration)[0];
      tracer
        .startSpan(
          "browser.long_animation_frame",
          {
            startTime,
            attributes: {
              "lab.frame.blocking_ms": frame.blockingDuration,
              ...(longest === undefined
                ? {}
                : {
                    "lab.frame.invoker": longest.invoker,
                    "lab.frame.script_ms": longest.duration,
                    "code.function.name": longest.sourceFunctionName,
                    "code.file.path": redactUrl(longest.sourceURL),
                  }),
            },
          },
          parent,
        )
        .end(startTime + frame.duration);
      onFrame(frame.startTime + frame.duration);
    }
  });
  observer.observe({ type });
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}

function traceGaps(
  tracer: Tracer,
  parent: Context,
  signal: AbortSignal,
  onFrame: (end: number) => void,
): void {
  let last = performance.now();
  const frame = (): void => {
    if (signal.aborted) return;
    const now = performance.now();
    if (now - last > longFrameMs) {
      const attributes = { "lab.frame.blocking_ms": now - last - longFrameMs };
      const startTime = performance.timeOrigin + last;
      tracer
        .startSpan("browser.long_animation_frame", { startTime, attributes }, parent)
        .end(performance.timeOrigin + now);
      onFrame(now);
    }
    last = now;
    requestAnimationFrame(frame);
  };
  // A hidden page has no frames at all.
  document.addEventListener(
    "visibilitychange",
    () => {
      last = performance.now();
    },
    { signal },
  );
  requestAnimationFrame(frame);
}
