import protobuf from "protobufjs";

/**
 * OTLP's trace messages as far as an index by trace, service and time needs them. What is not named
 * here the library steps over; a span is first taken as bytes, so that it can be kept as it came.
 * https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
 */
const definitions = `syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { string string_value = 1; }
message ScopeSpans { repeated bytes spans = 2; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; Status status = 15;
}
message Status { int32 code = 3; }`;

/** A 64-bit number as the library gives it: two signed words. */
interface Words {
  readonly low: number;
  readonly high: number;
}

interface Request {
  readonly resourceSpans: readonly {
    readonly resource?: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value?: { readonly stringValue: string };
      }[];
    };
    readonly scopeSpans: readonly { readonly spans: readonly Uint8Array[] }[];
  }[];
}

export interface LibrarySpan {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  /** An empty list when there is none. */
  readonly parentSpanId: Uint8Array | readonly never[];
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: Words;
  readonly endTimeUnixNano: Words;
  readonly status?: { readonly code: number };
}

const { root } = protobuf.parse(definitions);
const request = root.lookupType("Request");
const span = root.lookupType("Span");

/** Calls back with each span of a request, its service and its bytes. */
export function decodeWithLibrary(
  batch: Buffer,
  each: (span: LibrarySpan, service: string, bytes: Uint8Array) => void,
): void {
  const { resourceSpans } = request.decode(batch) as unknown as Request;
  for (const { resource, scopeSpans } of resourceSpans) {
    const named = resource?.attributes.find(({ key }) => key === "service.name");
    const service = named?.value?.stringValue ?? "";
    for (const { spans } of scopeSpans)
      for (const bytes of spans) each(span.decode(bytes) as unknown as LibrarySpan, service, bytes);
  }
}

/** Nanoseconds; beyond 2^53 the last digits are lost, as in the columns it is compared with. */
export const nanoseconds = ({ low, high }: Words): number =>
  (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
