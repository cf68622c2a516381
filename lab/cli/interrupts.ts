import type { EventEmitter } from "node:events";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type StopSignal = (typeof signals)[number];

/**
 * One press of Ctrl-C arrives several times: the terminal signals the whole group, npm passes its
 * copy on, and so does the bootstrap. What comes within this time of the first is the same press.
 */
const samePressMs = 500;

/**
 * Calls back once per request to stop, counted from 1. The end of the process that started this one,
 * `kill -9` included, is such a request (it closes the IPC channel), unless this one `outlivesStarter`.
 * @returns the function that gives the signals back to Node's default.
 */
export function onStopRequest(
  callback: (request: number, signal: StopSignal) => void,
  {
    outlivesStarter = false,
    now = () => performance.now(),
    source = process,
  }: {
    readonly outlivesStarter?: boolean;
    readonly now?: () => number;
    /** Whose signals are meant: this process. */
    readonly source?: EventEmitter;
  } = {},
): () => void {
  let requests = 0;
  let countedAt = Number.NEGATIVE_INFINITY;
  const request = (signal: StopSignal): void => {
    if (now() - countedAt < samePressMs) return;
    countedAt = now();
    requests += 1;
    callback(requests, signal);
  };
  const orphaned = (): void => request("SIGHUP");
  for (const signal of signals) source.on(signal, request);
  if (!outlivesStarter) source.on("disconnect", orphaned);
  // An open channel would keep the process alive.
  process.channel?.unref();
  return () => {
    for (const signal of signals) source.off(signal, request);
    source.off("disconnect", orphaned);
  };
}
