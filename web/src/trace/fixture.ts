import type { OtlpSpan } from "#lab/api/otlp.ts";
import { decodeTrace, type Trace } from "./trace.ts";

/** A span for tests: times in whole milliseconds after a fixed moment. */
export interface SpanSketch {
  readonly id: string;
  readonly parent?: string;
  readonly name?: string;
  readonly service?: string;
  readonly from: number;
  readonly to: number;
  readonly failed?: boolean;
  readonly raw?: Partial<OtlpSpan>;
}

const epochNano = 1_763_820_000_000_000_000n;
/** Nanoseconds since the epoch, `ms` milliseconds after the fixed moment. */
export const nano = (ms: number): string => String(epochNano + BigInt(Math.round(ms * 1e6)));

/** A decoded trace of the sketched spans. */
export function traceOf(...sketches: readonly SpanSketch[]): Trace {
  return decodeTrace("0af7651916cd43dd8448eb211c80319c", {
    resourceSpans: sketches.map(({ id, parent, name, service, from, to, failed, raw }) => ({
      resource: {
        attributes: [{ key: "service.name", value: { stringValue: service ?? "lab-server" } }],
      },
      scopeSpans: [
        {
          spans: [
            {
              traceId: "0af7651916cd43dd8448eb211c80319c",
              spanId: id,
              ...(parent === undefined ? {} : { parentSpanId: parent }),
              name: name ?? id,
              kind: 1,
              startTimeUnixNano: nano(from),
              endTimeUnixNano: nano(to),
              ...(failed ? { status: { code: 2 } } : {}),
              ...raw,
            },
          ],
        },
      ],
    })),
  });
}
