import {
  writeBytes,
  writeMessage,
  writer,
  writeTag,
  writeVarint,
  written,
} from "../protobuf-writer.ts";
import type { Store } from "../store.ts";
import { traceJson, traceProtobuf } from "../trace-read.ts";
import { send, sendJson } from "./answer.ts";
import { Refusal } from "./refusal.ts";
import type { Exchange, Route } from "./route.ts";

/** Tempo's HTTP API (https://grafana.com/docs/tempo/latest/api_docs/), as far as its clients need a trace. */
export function tempoRoutes(store: Store, version: string): readonly Route[] {
  const { index } = store;
  return [
    {
      method: "GET",
      path: /^\/api\/traces\/([^/]+)$/,
      handle: ({ request, response, params }) => {
        const trace = index.traces.findHex(tempoTraceId(params[0] ?? ""));
        if (wantsProtobuf(request)) {
          const bytes = traceProtobuf(index, trace);
          if (bytes === undefined) throw notFound();
          return send(response, 200, "application/protobuf", bytes);
        }
        const batches = traceJson(index, trace, "tempo");
        if (batches === undefined) throw notFound();
        sendJson(response, { batches });
      },
    },
    {
      method: "GET",
      path: /^\/api\/v2\/traces\/([^/]+)$/,
      handle: ({ request, response, params }) => {
        const trace = index.traces.findHex(tempoTraceId(params[0] ?? ""));
        if (wantsProtobuf(request)) {
          const bytes = traceProtobuf(index, trace) ?? Buffer.alloc(0);
          return send(response, 200, "application/protobuf", traceByIdResponse(bytes));
        }
        const resourceSpans = traceJson(index, trace, "tempo");
        // As Tempo answers since version 2 of this route: a trace without spans, not 404.
        if (resourceSpans === undefined) return sendJson(response, { trace: {}, metrics: {} });
        sendJson(response, { trace: { resourceSpans }, metrics: {}, status: "COMPLETE" });
      },
    },
    {
      method: "GET",
      path: /^\/api\/echo$/,
      handle: ({ response }) => send(response, 200, "text/plain; charset=utf-8", "echo"),
    },
    {
      method: "GET",
      path: /^\/ready$/,
      handle: ({ response }) => send(response, 200, "text/plain; charset=utf-8", "ready\n"),
    },
    {
      method: "GET",
      path: /^\/(?:api\/)?status\/buildinfo$/,
      handle: ({ response }) =>
        sendJson(response, {
          version,
          revision: "",
          branch: "observability-lab store",
          buildUser: "",
          buildDate: "",
          goVersion: "",
        }),
    },
  ];
}

/** Tempo takes short ids and fills them up with zeros on the left. */
function tempoTraceId(text: string): string {
  if (/^[0-9a-fA-F]{1,32}$/.test(text)) return text.toLowerCase().padStart(32, "0");
  throw new Refusal(400, "bad_trace_id", "A trace id is up to 32 hex digits.", {
    hint: "Copy the id from the span or the log line.",
  });
}

const wantsProtobuf = (request: Exchange["request"]): boolean =>
  /application\/(x-)?protobuf/.test(request.headers.accept ?? "");

/** `tempopb.TraceByIDResponse`: trace 1, status 3 (0 = complete). */
function traceByIdResponse(trace: Buffer): Buffer {
  const w = writer(trace.length + 32);
  writeBytes(w, 1, trace);
  writeMessage(w, 2, () => undefined);
  writeTag(w, 3, 0);
  writeVarint(w, 0);
  return written(w);
}

const notFound = (): Refusal =>
  new Refusal(404, "unknown_trace", "trace not found", {
    hint: "No span of this trace has arrived yet.",
  });
