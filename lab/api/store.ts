/** `GET` {@link routes.store}: what the store holds and what it could not take as sent. */
export interface StoreBody {
  readonly spans: number;
  readonly traces: number;
  readonly logs: number;
  readonly sentryItems: number;
  readonly metricPoints: number;
  readonly bytes: number;
  /** Ids of the runs kept from eviction, oldest pin first. */
  readonly pinnedRuns: readonly string[];
  /** Kept, but not as it was sent or not as it can be, by reason. */
  readonly noted: Readonly<Record<string, number>>;
  /** Refused or lost, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Set while writes fail, e.g. `disk full`. */
  readonly trouble: string | null;
}
