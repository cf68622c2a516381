export interface SentryItem {
  readonly seq: number;
  readonly kind: "event" | "log" | "transaction" | "session" | "client_report" | "metric";
  readonly receivedAt: number;
  readonly traceId: string | null;
  readonly spanId: string | null;
  /** `derived` transactions are made by the store from spans, as Sentry does from OTLP. */
  readonly origin: "sdk" | "derived";
  readonly level: string | null;
  /** Exception type and message, log body, or transaction name. */
  readonly title: string;
  /** The item's payload as sent. */
  readonly payload: unknown;
}
export interface SentryBody {
  readonly items: readonly SentryItem[];
}
