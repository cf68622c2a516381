import type { Logger } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import type { Resource } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";

/** Records of one moment go out together; a judge waits for them. */
const gatherMs = 50;

/** The page's log events, and a way to send them before the page is gone. */
export interface PageLogs {
  readonly logger: Logger;
  readonly flush: () => Promise<void>;
}

/** Opens the page's log events. They carry the span that is active, or is given with them. */
export function openLogs(name: string, url: string, resource: Resource): PageLogs {
  const provider = new LoggerProvider({
    resource,
    processors: [
      new BatchLogRecordProcessor({
        exporter: new OTLPLogExporter({ url }),
        scheduledDelayMillis: gatherMs,
      }),
    ],
  });
  return { logger: provider.getLogger(name), flush: () => provider.forceFlush() };
}
