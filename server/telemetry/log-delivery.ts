import type { LogRecordProcessor, ReadableLogRecord } from "@opentelemetry/sdk-logs";
import type { Delivery } from "./delivery.ts";

/** Lines of one request go out together. */
const gatherMs = 20;

/** Sends log records shortly after they were written, through the same kind of queue as spans. */
export function sendSoon(delivery: Delivery<ReadableLogRecord>): LogRecordProcessor {
  let timer: NodeJS.Timeout | undefined;
  return {
    onEmit(record) {
      delivery.offer(record);
      timer ??= setTimeout(() => {
        timer = undefined;
        delivery.kick();
      }, gatherMs).unref();
    },
    async forceFlush() {
      await delivery.flush(3000);
    },
    async shutdown() {
      await delivery.flush(3000);
      delivery.abandon();
    },
  };
}
