import { readFileSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { decodeMessage } from "../../otlp-decode.ts";
import { tracesRequest } from "../../otlp-schema.ts";
import { report, tempDir } from "../measuring.ts";
import { startStore } from "../store-process.ts";
import { generateTraces } from "./generated-traces.ts";
import { oldSearches, oldTagsAsked, refusedQueries, tagsAsked, traceqlQueries } from "./queries.ts";

export interface TempoOptions {
  /** Base URL of Tempo's API. */
  readonly url: string;
  /** Base URL of its OTLP/HTTP receiver. */
  readonly otlp: string;
  /** File with further queries, one per line. */
  readonly queries?: string | undefined;
}

const traceCount = 250;
/** More than there are. */
const everything = "limit=10000&spss=100";
const patienceMs = 60_000;

/** Sends the same traces to a real Tempo and to the store, asks both the same, and prints what differs. */
export async function compareWithTempo(options: TempoOptions): Promise<void> {
  const dir = tempDir();
  const { child, port } = await startStore(dir);
  const ours = `http://127.0.0.1:${port}`;
  try {
    const now = Date.now();
    const { requests, traceIds } = generateTraces(traceCount, now >>> 0, now);
    for (const body of requests) {
      await sendTraces(ours, body);
      await sendTraces(options.otlp, body);
    }
    const known = new Set(traceIds);
    await untilSearchable(options.url, known);
    const sides = { ours, theirs: options.url, known };
    await compareTraces(sides, traceIds);
    await compareSearches(sides, options.queries);
    await compareTags(sides);
  } finally {
    child.kill("SIGTERM");
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Sides {
  readonly ours: string;
  readonly theirs: string;
  readonly known: ReadonlySet<string>;
}

async function sendTraces(base: string, body: Buffer): Promise<void> {
  const headers = { "content-type": "application/x-protobuf" };
  const answer = await fetch(`${base}/v1/traces`, { method: "POST", body, headers });
  if (!answer.ok) throw new Error(`${base} answered ${answer.status} to traces`);
  await answer.arrayBuffer();
}

/** A trace can be found in Tempo once it has been idle for a while. */
async function untilSearchable(url: string, known: ReadonlySet<string>): Promise<void> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const found = await search(url, "{}", known);
    if (typeof found !== "string" && found.size === known.size) return;
    if (performance.now() > until) throw new Error("Tempo's search does not show what was sent");
    await delay(100);
  }
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

async function get(url: string, accept = "application/json"): Promise<Answer> {
  const answer = await fetch(url, { headers: { accept } });
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
}

const json = ({ body }: Answer): unknown => JSON.parse(body.toString());

type Plain = Readonly<Record<string, unknown>>;

/** One line per kind of question; the first few differences in full. */
function tally(what: string, most = Number.POSITIVE_INFINITY) {
  let same = 0;
  const differences: string[] = [];
  return {
    note: (question: string, ours: unknown, theirs: unknown): void => {
      if (isDeepStrictEqual(ours, theirs)) same++;
      else differences.push(`${question}\n${firstDifference(ours, theirs)}`);
    },
    close: (): void => {
      report(`Tempo, ${what}`, `${same} of ${same + differences.length} the same`);
      for (const difference of differences.slice(0, most)) console.log(`  ${difference}`);
    },
  };
}

function firstDifference(ours: unknown, theirs: unknown, path = ""): string {
  if (isPlain(ours) && isPlain(theirs))
    for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)]))
      if (!isDeepStrictEqual(ours[key], theirs[key]))
        return firstDifference(ours[key], theirs[key], `${path}.${key}`);
  const short = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 300);
  return `    at ${path || "the whole"}: store ${short(ours)}\n      Tempo ${short(theirs)}`;
}

const isPlain = (value: unknown): value is Plain => typeof value === "object" && value !== null;

async function compareTraces({ ours, theirs }: Sides, ids: readonly string[]): Promise<void> {
  const ways: readonly (readonly [string, string, string])[] = [
    ["v1 JSON", "/api/traces/", "application/json"],
    ["v2 JSON", "/api/v2/traces/", "application/json"],
    ["v1 protobuf", "/api/traces/", "application/protobuf"],
    ["v2 protobuf", "/api/v2/traces/", "application/protobuf"],
  ];
  for (const [name, path, accept] of ways) {
    const result = tally(`trace by id, ${name}`, 5);
    for (const id of [...ids, "f".repeat(32), id0(ids), "xyz"]) {
      const [a, b] = await Promise.all([
        get(`${ours}${path}${id}`, accept),
        get(`${theirs}${path}${id}`, accept),
      ]);
      result.note(id, traceOf(a, name), traceOf(b, name));
    }
    result.close();
  }
}

/** An id without the zeros it begins with. */
const id0 = (ids: readonly string[]): string =>
  (ids.find((id) => id.startsWith("00")) ?? "1").replace(/^0+/, "");

/** Spans by id with their resource and scope, whatever the order. */
function traceOf(answer: Answer, way: string): unknown {
  if (answer.status !== 200) return answer.status;
  const isProtobuf = way.endsWith("protobuf");
  const whole = isProtobuf
    ? decodeProtobuf(answer.body, way.startsWith("v2"))
    : (json(answer) as Plain);
  const trace = (whole.trace ?? whole) as Plain;
  const spans: Record<string, unknown> = {};
  for (const group of (trace.resourceSpans ?? trace.batches ?? []) as readonly Plain[])
    for (const scoped of (group.scopeSpans ?? []) as readonly Plain[])
      for (const span of (scoped.spans ?? []) as readonly Plain[])
        spans[String(span.spanId)] = usual({ span, resource: group.resource, scope: scoped.scope });
  return { keys: Object.keys(trace), spans };
}

/** Without what stands for nothing, and attributes in order of their keys: Tempo stores columns. */
function usual(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(usual);
    return items.every((item) => isPlain(item) && "key" in item) ? sortedKeys(items) : items;
  }
  if (!isPlain(value)) return value;
  const fields = Object.entries(value).flatMap(([key, inner]) => {
    const plain = usual(inner);
    return isNothing(plain) ? [] : [[key, plain] as const];
  });
  return Object.fromEntries(fields);
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === "" ||
  value === 0 ||
  /_(?:UNSPECIFIED|UNSET)$/.test(String(value)) ||
  (isPlain(value) && Object.keys(value).length === 0);

/** `Trace` has the layout of a request; version 2 wraps it in field 1. */
function decodeProtobuf(bytes: Buffer, isWrapped: boolean): Plain {
  if (!isWrapped) return decodeMessage(bytes, tracesRequest);
  let length = 0;
  let at = 1;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return decodeMessage(bytes.subarray(at, at + length), tracesRequest);
}

/** What a search found, by trace id; the status and reason of a refusal as text. */
async function search(
  base: string,
  query: string,
  known: ReadonlySet<string>,
  parameters = `q=${encodeURIComponent(query)}&${everything}`,
): Promise<ReadonlyMap<string, Plain> | string> {
  const answer = await get(`${base}/api/search?${parameters}`);
  if (answer.status !== 200) return `refused ${answer.status}`;
  const { traces = [] } = json(answer) as { readonly traces?: readonly Plain[] };
  const byId = traces.map((trace) => [String(trace.traceID).padStart(32, "0"), trace] as const);
  return new Map(byId.filter(([id]) => known.has(id)));
}

async function compareSearches(
  { ours, theirs, known }: Sides,
  more: string | undefined,
): Promise<void> {
  const further = more === undefined ? [] : readFileSync(more, "utf8").split("\n").filter(Boolean);
  const found = tally("TraceQL: traces found");
  const spans = tally("TraceQL: spans of the traces that both found");
  const shown = tally("TraceQL: what is told of a trace and its spans");
  for (const query of [...traceqlQueries, ...refusedQueries, ...further]) {
    const [a, b] = await Promise.all([search(ours, query, known), search(theirs, query, known)]);
    if (typeof a === "string" || typeof b === "string") {
      found.note(
        query,
        typeof a === "string" ? a : "answered",
        typeof b === "string" ? b : "answered",
      );
      continue;
    }
    found.note(query, [...a.keys()].sort(), [...b.keys()].sort());
    const both = [...a.keys()].filter((id) => b.has(id)).sort();
    const tell = (side: ReadonlyMap<string, Plain>, as: (trace: Plain) => unknown): unknown =>
      Object.fromEntries(both.map((id) => [id, as(side.get(id) as Plain)]));
    spans.note(query, tell(a, spansOf), tell(b, spansOf));
    shown.note(query, tell(a, detailsOf), tell(b, detailsOf));
  }
  for (const each of [found, spans, shown]) each.close();
  const old = tally("search by parameters: number of traces and spans");
  for (const parameters of oldSearches) {
    const isLimited = parameters.includes("limit") || parameters.includes("spss");
    const asked = isLimited ? parameters : `${parameters}&${everything}`;
    const [a, b] = await Promise.all([
      search(ours, "", known, asked),
      search(theirs, "", known, asked),
    ]);
    const sizes = (side: ReadonlyMap<string, Plain> | string): unknown =>
      typeof side === "string"
        ? side
        : [side.size, isLimited ? shownSpans(side) : [...side.keys()].sort()];
    old.note(parameters, sizes(a), sizes(b));
  }
  old.close();
}

const shownSpans = (side: ReadonlyMap<string, Plain>): number =>
  Math.max(
    0,
    ...[...side.values()].flatMap((trace) => setsOf(trace).map((set) => set.spans.length)),
  );

interface SpanSet {
  readonly matched: number;
  readonly spans: readonly (Plain & { readonly spanID: string })[];
  readonly attributes?: unknown;
}
const setsOf = (trace: Plain): readonly SpanSet[] => (trace.spanSets ?? []) as readonly SpanSet[];

const spansOf = (trace: Plain): unknown =>
  setsOf(trace)
    .map(({ matched, spans, attributes = null }) =>
      JSON.stringify([spans.map(({ spanID }) => spanID).sort(), matched, attributes]),
    )
    .sort();

function detailsOf({ spanSets: _, spanSet: __, ...trace }: Plain): unknown {
  const sets = setsOf({ spanSets: _ });
  const spans = sets
    .flatMap((set) => set.spans)
    .map(({ attributes = [], ...span }) => ({ ...span, attributes: sortedKeys(attributes) }));
  const byId = new Map(spans.map((span) => [span.spanID, span]));
  return { ...trace, traceID: "", spans: Object.fromEntries([...byId].sort()) };
}

const sortedKeys = (attributes: unknown): unknown =>
  [...(attributes as readonly Plain[])].sort((a, b) => (String(a.key) < String(b.key) ? -1 : 1));

async function compareTags({ ours, theirs }: Sides): Promise<void> {
  const names = tally("tags");
  const values = tally("values of tags");
  const ask = async (
    result: ReturnType<typeof tally>,
    path: string,
    as: (body: Plain) => unknown,
  ): Promise<void> => {
    const [a, b] = await Promise.all([get(`${ours}${path}`), get(`${theirs}${path}`)]);
    const told = (answer: Answer): unknown =>
      answer.status === 200 ? as(json(answer) as Plain) : answer.status;
    result.note(path, told(a), told(b));
  };
  const sorted = (list: unknown): unknown =>
    ((list ?? []) as readonly unknown[]).map((each) => JSON.stringify(each)).sort();
  const scopes = (body: Plain): unknown =>
    Object.fromEntries(
      ((body.scopes ?? []) as readonly Plain[]).map(({ name, tags }) => [name, sorted(tags)]),
    );
  await ask(names, "/api/search/tags", ({ tagNames }) => sorted(tagNames));
  for (const scope of [
    "",
    "?scope=span",
    "?scope=resource",
    "?scope=event",
    "?scope=link",
    "?scope=instrumentation",
    "?scope=intrinsic",
    "?scope=none",
  ])
    await ask(names, `/api/v2/search/tags${scope}`, scopes);
  for (const tag of tagsAsked)
    await ask(values, `/api/v2/search/tag/${encodeURIComponent(tag)}/values`, ({ tagValues }) =>
      sorted(tagValues),
    );
  for (const tag of oldTagsAsked)
    await ask(values, `/api/search/tag/${encodeURIComponent(tag)}/values`, ({ tagValues }) =>
      sorted(tagValues),
    );
  for (const filter of ['{ .foo = "bar" }', '{ resource.service.name = "shop-db" }', "{ nonsense"])
    await ask(
      values,
      `/api/v2/search/tag/span.count/values?q=${encodeURIComponent(filter)}`,
      ({ tagValues }) => sorted(tagValues),
    );
  for (const path of ["/api/echo", "/ready"]) {
    const [a, b] = await Promise.all([get(`${ours}${path}`), get(`${theirs}${path}`)]);
    values.note(path, [a.status, a.body.toString().trim()], [b.status, b.body.toString().trim()]);
  }
  names.close();
  values.close();
}
