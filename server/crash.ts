import { SpanStatusCode, trace } from "@opentelemetry/api";
import { log } from "./log.ts";
import { countDriverFault } from "./metrics.ts";
import { telemetry } from "./telemetry/running.ts";
import { Sentry } from "./telemetry/sentry-sdk.ts";

/** `EX_SOFTWARE`: tells the supervisor a crash from a stop. */
const crashExitCode = 70;
const flushMs = 2000;
const hardExitMs = 4000;

type Kind = "onuncaughtexception" | "onunhandledrejection";

/**
 * Lets the process die of errors nobody caught, but not before its evidence is out. The order
 * matters: the timer first, because everything after it may hang; the Sentry event while the span
 * is still active; then the open spans, which would otherwise be lost with the process.
 */
export function dieOfUncaughtErrors(): void {
  let dying = false;
  const die = (kind: Kind, error: unknown): void => {
    if (dying) return;
    dying = true;
    setTimeout(() => process.exit(crashExitCode), hardExitMs);
    Sentry.captureException(error, {
      // Beside `captureContext`, not inside: there the SDK would ignore the mechanism.
      captureContext: { level: "fatal" },
      mechanism: { type: `auto.node.${kind}`, handled: false },
    });
    const message = error instanceof Error ? error.message : String(error);
    log.fatal({ err: error }, "the server crashes");
    const active = trace.getActiveSpan();
    if (error instanceof Error) active?.recordException(error);
    active?.setStatus({ code: SpanStatusCode.ERROR, message });
    telemetry().openSpans.endAll(message);
    void telemetry()
      .flush(flushMs)
      .finally(() => process.exit(crashExitCode));
  };
  process.on("uncaughtException", (error) => {
    if (isDriverFault(error)) countDriverFault();
    else die("onuncaughtexception", error);
  });
  process.on("unhandledRejection", (reason) => die("onunhandledrejection", reason));
}

/**
 * postgres.js writes to a socket that is gone, e.g. when a connection is lost under a cursor. Its
 * promise is rejected all the same, so nothing is lost by going on. Exactly this message from
 * exactly this file: anything else is a crash.
 */
export function isDriverFault(error: unknown): boolean {
  return (
    error instanceof TypeError &&
    error.message === "Cannot read properties of null (reading 'write')" &&
    /[\\/]postgres[\\/](?:src|cjs[\\/]src)[\\/]connection\.js/.test(
      error.stack?.split("\n")[1] ?? "",
    )
  );
}
