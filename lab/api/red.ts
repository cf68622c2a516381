/** Rate, errors and durations of one operation of one service, computed from all its spans. */
export interface RedRow {
  readonly service: string;
  readonly name: string;
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
  readonly count: number;
  /** Per second over the window. */
  readonly rate: number;
  readonly errors: number;
  /** Milliseconds; each within 3 % of the exact value. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}
/** `GET` {@link routes.red}, busiest first; query `seconds` (default 300), `service`, `limit` (default 500). */
export interface RedBody {
  readonly seconds: number;
  /** One row per service, all operations together: `name` is empty and `kind` unspecified. */
  readonly services: readonly RedRow[];
  readonly operations: readonly RedRow[];
}
