import { ROOT_CONTEXT, type Span, trace } from "@opentelemetry/api";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import {
  BasicTracerProvider,
  type ReadableSpan,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FlushOnRoot } from "./flush-on-root.ts";

/** Takes what it is given while `open`, refuses everything otherwise. */
class Shelf implements SpanExporter {
  readonly batches: string[][] = [];
  open = true;

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    if (this.open) this.batches.push(spans.map(({ name }) => name));
    done({ code: this.open ? ExportResultCode.SUCCESS : ExportResultCode.FAILED });
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

const shelf = () => {
  const exporter = new Shelf();
  const flusher = new FlushOnRoot(exporter);
  const tracer = new BasicTracerProvider({ spanProcessors: [flusher] }).getTracer("test");
  const child = (name: string, parent: Span) =>
    tracer.startSpan(name, {}, trace.setSpan(ROOT_CONTEXT, parent));
  return {
    exporter,
    flusher,
    root: (name: string) => tracer.startSpan(name, {}, ROOT_CONTEXT),
    child,
  };
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a root that ends takes its children with it, in one export and at once", async () => {
  const { exporter, root, child } = shelf();
  const click = root("click");
  child("fetch", click).end();
  expect(exporter.batches).toEqual([]);
  click.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(exporter.batches).toEqual([["fetch", "click"]]);
});

test("a straggler leaves within 200 ms", async () => {
  const { exporter, root, child } = shelf();
  const click = root("click");
  const late = child("late", click);
  click.end();
  await vi.advanceTimersByTimeAsync(0);
  late.end();
  await vi.advanceTimersByTimeAsync(199);
  expect(exporter.batches).toEqual([["click"]]);
  await vi.advanceTimersByTimeAsync(1);
  expect(exporter.batches).toEqual([["click"], ["late"]]);
});

test("what was refused is sent again with the next root", async () => {
  const { exporter, root } = shelf();
  exporter.open = false;
  root("lost?").end();
  await vi.advanceTimersByTimeAsync(0);
  exporter.open = true;
  root("next").end();
  await vi.advanceTimersByTimeAsync(0);
  expect(exporter.batches).toEqual([["lost?", "next"]]);
});

test("an outage drops the oldest spans beyond 2000 and counts them", async () => {
  const { exporter, flusher, root } = shelf();
  exporter.open = false;
  for (let at = 0; at < 2010; at++) root(`span ${at}`).end();
  await flusher.forceFlush();
  exporter.open = true;
  await flusher.forceFlush();
  const sent = exporter.batches.flat();
  expect(flusher.dropped).toBe(10);
  expect(sent).toHaveLength(2000);
  expect(sent[0]).toBe("span 10");
});
