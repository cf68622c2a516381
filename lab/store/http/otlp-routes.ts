import type { IncomingMessage } from "node:http";
import { nestsDeeperThan } from "../json-depth.ts";
import { longestValue } from "../long-values.ts";
import { encodeMessage, MalformedOtlpJson } from "../otlp-encode.ts";
import { logsRequest, type Message, metricsRequest, tracesRequest } from "../otlp-schema.ts";
import { MalformedProtobuf } from "../protobuf-reader.ts";
import {
  writeMessage,
  writer,
  writeString,
  writeTag,
  writeVarint,
  written,
} from "../protobuf-writer.ts";
import { TooManyItems } from "../span-scan.ts";
import { type Accepted, type Store, StoreUnwritable } from "../store.ts";
import { refusalHeaders, send } from "./answer.ts";
import type { BodyReader } from "./body.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

const protobuf = "application/x-protobuf";
const json = "application/json";
type Encoding = typeof protobuf | typeof json;

/** Set by the Collector; see compose/collector/config.yaml. */
const sentOnHeader = "x-lab-sent-on";

/** Deepest nesting of OTLP/JSON; counted before parsing. */
const maxJsonDepth = 64;

/**
 * The receiver of OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp). Answers and
 * refusals come in the request's own encoding; a refusal is a `google.rpc.Status`.
 * @param keeper takes in what a Collector has sent to Sentry itself, and sends it nowhere.
 */
export function otlpRoutes(
  store: Store,
  readBody: BodyReader,
  keeper: Pick<Store, "addTraces"> = store,
): readonly Route[] {
  const addTraces = (bytes: Buffer, request: IncomingMessage): Promise<Accepted> =>
    (request.headers[sentOnHeader] === "sentry" ? keeper : store).addTraces(bytes);
  const receiver = (
    path: RegExp,
    message: Message,
    add: (bytes: Buffer, request: IncomingMessage) => Promise<Accepted>,
    what: Signal,
  ): Route => ({
    method: "POST",
    path,
    refuse: ({ request, response }, refusal) => {
      store.drop(`refused: ${refusal.code}`);
      const encoding = encodingOf(request) ?? json;
      send(
        response,
        refusal.status,
        encoding,
        statusBody(refusal, encoding),
        refusalHeaders(refusal),
      );
    },
    handle: async ({ request, response }) => {
      const encoding = encodingOf(request);
      if (encoding === undefined)
        throw new Refusal(415, "content_type", "This content type is not understood.", {
          hint: `Send ${protobuf} or ${json}.`,
        });
      const body = await readBody(request);
      const accepted = await add(encoding === json ? fromJson(body, message) : body, request);
      send(response, 200, encoding, acceptedBody(accepted, encoding, what));
    },
  });
  return [
    receiver(/^\/v1\/traces$/, tracesRequest, addTraces, "spans"),
    receiver(/^\/v1\/logs$/, logsRequest, store.addLogs, "logRecords"),
    receiver(/^\/v1\/metrics$/, metricsRequest, store.addMetrics, "dataPoints"),
    // Where Sentry takes OTLP: an exporter that is pointed at a DSN ends up here.
    receiver(
      /^\/api\/[0-9A-Za-z_-]+\/integration\/otlp\/v1\/traces\/?$/,
      tracesRequest,
      addTraces,
      "spans",
    ),
    receiver(
      /^\/api\/[0-9A-Za-z_-]+\/integration\/otlp\/v1\/logs\/?$/,
      logsRequest,
      store.addLogs,
      "logRecords",
    ),
  ];
}

type Signal = "spans" | "logRecords" | "dataPoints";

function encodingOf(request: IncomingMessage): Encoding | undefined {
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  return type === protobuf || type === json ? type : undefined;
}

function fromJson(body: Buffer, message: Message): Buffer {
  if (nestsDeeperThan(body, maxJsonDepth))
    throw malformed(`The JSON nests deeper than ${maxJsonDepth} levels.`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch {
    throw malformed("The body is no JSON.");
  }
  return encodeMessage(parsed, message);
}

/** What a thrown error means to a sender; undefined when it is our own fault. */
export function ingestRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (error instanceof MalformedProtobuf || error instanceof MalformedOtlpJson)
    return malformed(`The body is no OTLP request: ${error.message}.`);
  if (error instanceof TooManyItems)
    return new Refusal(413, "too_many", `The request holds ${error.message}.`, {
      hint: "Send smaller batches.",
    });
  if (error instanceof StoreUnwritable)
    return new Refusal(503, "unwritable", `The store cannot write: ${error.message}.`, {
      hint: "Free space on the disk that holds the store; senders try again by themselves.",
      retryAfterSeconds: 5,
    });
  return undefined;
}

const malformed = (message: string): Refusal =>
  new Refusal(400, "malformed", message, {
    hint: "Check the exporter: the same body will be refused again.",
  });

const grpcCode = new Map([
  [400, 3],
  [408, 4],
  [413, 3],
  [415, 3],
  [429, 8],
  [503, 14],
]);

/** `google.rpc.Status`: code 1, message 2. */
function statusBody({ status, message }: Refusal, encoding: Encoding): string | Buffer {
  const code = grpcCode.get(status) ?? 2;
  if (encoding === json) return JSON.stringify({ code, message });
  const w = writer(128);
  writeTag(w, 1, 0);
  writeVarint(w, code);
  writeString(w, 2, message);
  return written(w);
}

/** Empty unless something was left out or cut (https://opentelemetry.io/docs/specs/otlp/#partial-success-1). */
function acceptedBody(accepted: Accepted, encoding: Encoding, what: Signal): string | Buffer {
  const { rejected, cut } = accepted;
  const errorMessage = [
    rejected > 0 ? "Left out: ids must be 16 (trace) and 8 (span) bytes and not all zero." : "",
    cut > 0 ? `${cut} attribute values were cut at ${longestValue} bytes.` : "",
  ]
    .filter(Boolean)
    .join(" ");
  if (encoding === json) {
    if (errorMessage === "") return "{}";
    const name = `rejected${what[0]?.toUpperCase()}${what.slice(1)}`;
    return JSON.stringify({ partialSuccess: { [name]: String(rejected), errorMessage } });
  }
  const w = writer(128);
  if (errorMessage !== "")
    writeMessage(w, 1, () => {
      if (rejected > 0) {
        writeTag(w, 1, 0);
        writeVarint(w, rejected);
      }
      writeString(w, 2, errorMessage);
    });
  return written(w);
}
