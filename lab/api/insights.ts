/** A pattern in a run's spans that is worth a look, found by rule and not by chance. */
export interface Insight {
  readonly rule:
    | "n-plus-one"
    | "pool-wait"
    | "retry-storm"
    | "sequential-work"
    | "cache-misses"
    | "gap";
  /** What was found, with its numbers. */
  readonly title: string;
  /** What it means and what teams do about it. */
  readonly detail: string;
  /** Milliseconds it is about, for the order. */
  readonly costMs: number;
  /** The spans that show it, at most 50. */
  readonly spans: readonly { readonly traceId: string; readonly spanId: string }[];
}
/** `GET` {@link routes.insights}. */
export interface InsightsBody {
  readonly insights: readonly Insight[];
}
