import type { OtlpSpan, OtlpTrace } from "../api/otlp.ts";
import { LabError } from "../errors.ts";
import { readJson } from "./http-json.ts";

/** Read side of Tempo, or of whatever answers as it does. Every method rejects with a `LabError` `tempo-unreachable` while it is away. */
export interface TempoSource {
  /** As OTLP/JSON with hex ids; undefined while no span of it is there. */
  readonly trace: (traceId: string) => Promise<OtlpTrace | undefined>;
  /** Ids of traces that a TraceQL query finds among the recent ones. */
  readonly search: (query: string, limit?: number) => Promise<readonly string[]>;
  /** Traces with a span that carries the run id. */
  readonly tracesOf: (runId: string) => Promise<readonly string[]>;
}

/**
 * https://grafana.com/docs/tempo/latest/api_docs/
 * @param base where its API is; asked on every call, since a restart may move it.
 */
export function openTempoSource(base: () => string | undefined): TempoSource {
  async function read<T>(path: string): Promise<T | undefined> {
    try {
      return await readJson<T>(new URL(path, base()));
    } catch (cause) {
      throw new LabError("tempo-unreachable", "Tempo does not answer.", {
        cause,
        hint: "See its row on the Services page, and its log: npm run lab -- logs tempo",
      });
    }
  }
  async function search(query: string, limit = 100): Promise<readonly string[]> {
    const parameters = new URLSearchParams({ q: query, limit: String(limit) });
    const found = await read<{ readonly traces?: readonly { readonly traceID: string }[] }>(
      `/api/search?${parameters}`,
    );
    // It leaves out the zeros that an id begins with.
    return (found?.traces ?? []).map(({ traceID }) => traceID.padStart(32, "0"));
  }
  return {
    trace: async (traceId) => {
      const found = await read<{ readonly trace?: TempoTrace }>(`/api/v2/traces/${traceId}`);
      const groups = found?.trace?.resourceSpans ?? [];
      return groups.length === 0 ? undefined : { resourceSpans: groups.map(plainGroup) };
    },
    search,
    tracesOf: (runId) => search(`{ span.lab.run.id = ${JSON.stringify(runId)} }`),
  };
}

/** Protobuf's JSON: bytes are base64, enums are names, and what is zero may be left out. */
interface TempoTrace {
  readonly resourceSpans?: readonly TempoGroup[];
}
type Group = OtlpTrace["resourceSpans"][number];
interface TempoGroup extends Omit<Group, "scopeSpans"> {
  readonly scopeSpans?: readonly {
    readonly scope?: { readonly name?: string; readonly version?: string };
    readonly spans?: readonly TempoSpan[];
  }[];
}
type TempoSpan = Omit<OtlpSpan, "kind" | "links" | "status"> & {
  readonly kind?: string;
  readonly status?: { readonly code?: string; readonly message?: string };
  readonly links?: readonly TempoLink[];
};
type TempoLink = NonNullable<OtlpSpan["links"]>[number];

const plainGroup = ({ scopeSpans = [], ...rest }: TempoGroup): Group => ({
  ...rest,
  scopeSpans: scopeSpans.map(({ spans = [], ...scoped }) => ({
    ...scoped,
    spans: spans.map(plainSpan),
  })),
});

function plainSpan({ kind, status, links, parentSpanId, ...rest }: TempoSpan): OtlpSpan {
  return {
    ...rest,
    traceId: hex(rest.traceId),
    spanId: hex(rest.spanId),
    ...(parentSpanId ? { parentSpanId: hex(parentSpanId) } : {}),
    kind: Math.max(0, kinds.indexOf(kind ?? "")),
    ...(status === undefined ? {} : { status: plainStatus(status) }),
    ...(links === undefined ? {} : { links: links.map(plainLink) }),
  };
}

const plainStatus = ({ code, message }: NonNullable<TempoSpan["status"]>) => ({
  code: Math.max(0, codes.indexOf(code ?? "")),
  ...(message === undefined ? {} : { message }),
});
const plainLink = (link: TempoLink): TempoLink => ({
  ...link,
  traceId: hex(link.traceId),
  spanId: hex(link.spanId),
});

const hex = (base64: string): string => Buffer.from(base64, "base64").toString("hex");
/** In the order of OTLP's numbers. */
const kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"].map(
  (name) => `SPAN_KIND_${name}`,
);
const codes = ["UNSET", "OK", "ERROR"].map((name) => `STATUS_CODE_${name}`);
