import type { OtlpTrace } from "#lab/api/otlp.ts";
import { rowMask } from "../chunked-table.ts";
import { spanMark } from "../span-stage.ts";
import type { StoreIndex } from "../store.ts";
import { columnsType, traceColumns } from "../trace-columns.ts";
import { spanRows, traceJson } from "../trace-read.ts";
import { idWords } from "../trace-table.ts";
import { send, sendJson } from "./answer.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

/** Who takes both gets JSON up to here: with the attributes in it, no second request is needed. */
const mostSpansAsJson = 2000;

/** Traces for the page and the judge: whole, as columns, or some spans of one; see `contract.ts`. */
export function labTraceRoutes(index: StoreIndex): readonly Route[] {
  return [
    {
      method: "GET",
      path: /^\/lab\/traces\/([^/]+)$/,
      handle: ({ request, response, params }) => {
        const trace = index.traces.findHex(checkedTraceId(params[0] ?? ""));
        response.setHeader("vary", "accept");
        if (wantsColumns(request.headers.accept ?? "", index.traces.entry().spans[trace] ?? 0)) {
          const columns = traceColumns(index, trace);
          if (columns === undefined) throw unknownTrace();
          return send(response, 200, columnsType, columns);
        }
        sendJson(response, wholeTrace(index, trace, spanRows(index, trace)));
      },
    },
    {
      method: "GET",
      path: /^\/lab\/traces\/([^/]+)\/spans\/([0-9a-f]{16}(?:,[0-9a-f]{16}){0,99})$/,
      handle: ({ response, params }) => {
        const trace = index.traces.findHex(checkedTraceId(params[0] ?? ""));
        const rows = (params[1] ?? "").split(",").flatMap((id) => {
          const [high, low] = idWords(id.padEnd(32, "0"));
          const row = trace === 0 ? 0 : index.spans.find(trace, high, low);
          return row === 0 ? [] : [row];
        });
        sendJson(response, wholeTrace(index, trace, rows));
      },
    },
  ];
}

const wantsColumns = (accept: string, spans: number): boolean =>
  accept.includes(columnsType) &&
  (spans > mostSpansAsJson || !/application\/json|\*\/\*/.test(accept));

function wholeTrace(index: StoreIndex, trace: number, rows: readonly number[]): OtlpTrace {
  const resourceSpans = traceJson(index, trace, "otlp", rows);
  if (resourceSpans === undefined) throw unknownTrace();
  const farOff = rows.filter(
    (row) => ((index.spans.columnsOf(row).marks[row & rowMask] as number) & spanMark.farOff) !== 0,
  );
  return {
    resourceSpans,
    ...(farOff.length === 0 ? {} : { farOff: farOff.map((row) => index.spans.idOf(row)) }),
  } as unknown as OtlpTrace;
}

/** A whole trace id, as the lab writes them. */
export function checkedTraceId(text: string): string {
  if (/^(?!0{32})[0-9a-f]{32}$/.test(text)) return text;
  throw new Refusal(400, "bad_trace_id", "A trace id is 32 lower-case hex digits, not all zero.", {
    hint: "Copy the id from the span or the log line.",
  });
}

const unknownTrace = (): Refusal =>
  new Refusal(404, "unknown_trace", "No span of this trace has arrived yet.", {
    hint: "Wait for it on the feed, or check that its sender's exporter points here.",
  });
