import type { RunRecord } from "./runs.ts";
import type { ServiceStatus } from "./services.ts";

/** What `/lab/api/events` streams, one JSON object per SSE message; its SSE id is the sequence number. */
export type LabEvent =
  | { readonly type: "service"; readonly service: ServiceStatus }
  | { readonly type: "run"; readonly run: RunRecord }
  | {
      readonly type: "telemetry";
      readonly traceId: string;
      readonly runId: string | null;
      readonly spans: number;
      readonly logs: number;
      readonly sentry: number;
    }
  /** The client missed messages: read everything anew. */
  | { readonly type: "resync" };
