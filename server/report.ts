import { Sentry } from "./telemetry/sentry-sdk.ts";

/**
 * Sends an error that somebody caught to Sentry, linked to the active span. It arrives with
 * mechanism `generic` and `handled: true`.
 */
export function reportHandled(error: unknown): void {
  Sentry.captureException(error);
}
