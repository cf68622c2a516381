import type { LogRecordProcessor, ReadableLogRecord } from "@opentelemetry/sdk-logs";
import type { Delivery } from "./delivery.ts";
import { gather } from "./gather.ts";

/** Lines of one request go out together. */
const gatherMs = 20;

/** Sends log records shortly after they were written, through the same kind of queue as spans. */
export function sendSoon(delivery: Delivery<ReadableLogRecord>): LogRecordProcessor {
  const send = gather(gatherMs, delivery.kick);
  return {
    onEmit(record) {
      delivery.offer(record);
      send();
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
