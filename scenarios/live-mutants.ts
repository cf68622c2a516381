/**
 * Defects of instrumentation that the app can be given for one run, to see whether a check notices.
 * Only a run's ticket switches one on: it is signed with a key that no client has.
 */
export const liveMutants = {
  "drop-traceparent": "the app sends no traceparent with its own HTTP requests",
  "drop-database-status": "database spans of the app do not say that they failed",
  "silence-sentry": "the app tells Sentry nothing",
} as const;

export type LiveMutant = keyof typeof liveMutants;
