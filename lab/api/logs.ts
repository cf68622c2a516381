export interface LogRecord {
  /** Unique and ascending in order of arrival. */
  readonly seq: number;
  /** Nanoseconds since the epoch, as decimal text. */
  readonly timeUnixNano: string;
  readonly severity: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  readonly body: string;
  readonly service: string;
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Its time lies more than a day from its arrival: the sender's clock is wrong. */
  readonly farOff?: true;
}
export interface LogsBody {
  readonly logs: readonly LogRecord[];
}
