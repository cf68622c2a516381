import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace-web";

const stragglerDelayMs = 200;
const maxQueued = 2000;
const maxBatch = 500;

/**
 * Exports as soon as the local root of a trace has ended, and what ends later within 200 ms.
 * Spans of a failed export are put back, oldest dropped first, so that a lab that restarts does
 * not lose what the page saw meanwhile.
 */
export class FlushOnRoot implements SpanProcessor {
  readonly #exporter: SpanExporter;
  #queue: ReadableSpan[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Number.POSITIVE_INFINITY;
  /** Spans thrown away because nobody took them. */
  dropped = 0;

  constructor(exporter: SpanExporter) {
    this.#exporter = exporter;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    this.#queue.push(span);
    this.#trim();
    const parent = span.parentSpanContext;
    this.#schedule(parent === undefined || parent.isRemote === true ? 0 : stragglerDelayMs);
  }

  /** Resolves when everything that had ended was handed over, or refused and put back. */
  async forceFlush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Number.POSITIVE_INFINITY;
    const spans = this.#queue;
    this.#queue = [];
    const refused: ReadableSpan[] = [];
    for (let at = 0; at < spans.length; at += maxBatch) {
      const batch = spans.slice(at, at + maxBatch);
      if (!(await this.#export(batch))) refused.push(...batch);
    }
    if (refused.length > 0) {
      this.#queue.unshift(...refused);
      this.#trim();
    }
  }

  async shutdown(): Promise<void> {
    await this.forceFlush();
    await this.#exporter.shutdown();
  }

  #export(batch: ReadableSpan[]): Promise<boolean> {
    return new Promise((resolve) => {
      this.#exporter.export(batch, (result: ExportResult) =>
        resolve(result.code === ExportResultCode.SUCCESS),
      );
    });
  }

  #schedule(delayMs: number): void {
    const due = Date.now() + delayMs;
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.forceFlush(), delayMs);
  }

  #trim(): void {
    const surplus = this.#queue.length - maxQueued;
    if (surplus <= 0) return;
    this.#queue.splice(0, surplus);
    this.dropped += surplus;
  }
}
