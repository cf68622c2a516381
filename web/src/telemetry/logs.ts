import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { type Logger, SeverityNumber } from "@opentelemetry/api-logs";
import { ExportResultCode } from "@opentelemetry/core";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import type { Resource } from "@opentelemetry/resources";
import {
  LoggerProvider,
  type LogRecordExporter,
  type LogRecordProcessor,
  type ReadableLogRecord,
} from "@opentelemetry/sdk-logs";
import {
  ATTR_EXCEPTION_MESSAGE,
  ATTR_EXCEPTION_STACKTRACE,
  ATTR_EXCEPTION_TYPE,
} from "@opentelemetry/semantic-conventions";
import type { ToldError } from "./errors.ts";

/** Records of one moment go out together; a judge waits for them. */
const gatherMs = 50;
const maxWaiting = 500;

/** The page's log events, and a way to send them before the page is gone. */
export interface PageLogs {
  readonly logger: Logger;
  /**
   * Writes an error as the log event `exception`
   * (https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/).
   */
  readonly tellError: (error: ToldError) => void;
  readonly flush: () => Promise<void>;
}

/** Opens the page's log events. They carry the span that is active, or is given with them. */
export function openLogs(name: string, url: string, resource: Resource): PageLogs {
  const provider = new LoggerProvider({
    resource,
    processors: [sendSoon(new OTLPLogExporter({ url }))],
  });
  const logger = provider.getLogger(name);
  return {
    logger,
    tellError: ({ type, message, stack, of }) =>
      logger.emit({
        eventName: "exception",
        // What a person reads in a list of lines.
        body: `${type}: ${message}`,
        severityNumber: SeverityNumber.ERROR,
        attributes: {
          [ATTR_EXCEPTION_TYPE]: type,
          [ATTR_EXCEPTION_MESSAGE]: message,
          ...(stack === undefined ? {} : { [ATTR_EXCEPTION_STACKTRACE]: stack }),
        },
        ...(of === undefined ? {} : { context: trace.setSpanContext(ROOT_CONTEXT, of) }),
      }),
    flush: () => provider.forceFlush(),
  };
}

/**
 * Sends records shortly after they were written; a flush sends at once, whatever else is under way.
 * The SDK's batch processor lets a flush wait for the one before, and a page that is left has no
 * time for a second. What was refused goes with the next that are sent, the oldest dropped first.
 */
export function sendSoon(exporter: LogRecordExporter): LogRecordProcessor {
  let waiting: ReadableLogRecord[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const underWay = new Set<Promise<void>>();

  function send(): void {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    const sent = new Promise<void>((resolve) => {
      exporter.export(batch, ({ code }) => {
        if (code !== ExportResultCode.SUCCESS) waiting = [...batch, ...waiting].slice(-maxWaiting);
        resolve();
      });
    });
    underWay.add(sent);
    void sent.then(() => underWay.delete(sent));
  }

  async function forceFlush(): Promise<void> {
    send();
    await Promise.all(underWay);
  }

  return {
    onEmit(record) {
      waiting.push(record);
      timer ??= setTimeout(send, gatherMs);
    },
    forceFlush,
    async shutdown() {
      await forceFlush();
      await exporter.shutdown();
    },
  };
}
