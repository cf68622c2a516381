import { readFileSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { decodeMessage } from "../../otlp-decode.ts";
import { tracesRequest } from "../../otlp-schema.ts";
import { matchersOf } from "../../traceql/matchers.ts";
import { report, tempDir } from "../measuring.ts";
import { startStore } from "../store-process.ts";
import { differenceTallies, isPlain, type Plain } from "./differences.ts";
import { generateTraces } from "./generated-traces.ts";
import {
  filteredTagsAsked,
  oldSearches,
  oldTagsAsked,
  refusedQueries,
  tagFilters,
  tagsAsked,
  traceqlQueries,
  wrongTagFilters,
} from "./queries.ts";

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
    const { requests, traceIds, severalRoots } = generateTraces(traceCount, now >>> 0, now);
    for (const body of requests) {
      await sendTraces(ours, body);
      await sendTraces(options.otlp, body);
    }
    const known = new Set(traceIds);
    await untilSearchable(options.url, known);
    const { tally, unexplained } = differenceTallies();
    const sides = { ours, theirs: options.url, known, severalRoots, tally };
    await compareTags(sides);
    await compareTraces(sides, traceIds);
    await compareSearches(sides, options.queries);
    report("Tempo, unexplained differences (must 0)", String(unexplained()));
    if (unexplained() > 0) process.exitCode = 1;
  } finally {
    child.kill("SIGTERM");
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Sides {
  readonly ours: string;
  readonly theirs: string;
  readonly known: ReadonlySet<string>;
  /** Which of several roots names the trace is nowhere said: Tempo takes the last stored, the store the earliest. */
  readonly severalRoots: ReadonlySet<string>;
  readonly tally: ReturnType<typeof differenceTallies>["tally"];
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

async function compareTraces(
  { ours, theirs, tally }: Sides,
  ids: readonly string[],
): Promise<void> {
  const ways: readonly (readonly [string, string, string])[] = [
    ["v1 JSON", "/api/traces/", "application/json"],
    ["v2 JSON", "/api/v2/traces/", "application/json"],
    ["v1 protobuf", "/api/traces/", "application/protobuf"],
    ["v2 protobuf", "/api/v2/traces/", "application/protobuf"],
  ];
  for (const [name, path, accept] of ways) {
    const result = tally(`trace by id, ${name}`);
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
  known: ReadonlySet<string> | undefined,
  parameters = `q=${encodeURIComponent(query)}&${everything}`,
): Promise<ReadonlyMap<string, Plain> | string> {
  const answer = await get(`${base}/api/search?${parameters}`);
  if (answer.status !== 200) return `refused ${answer.status}`;
  const { traces = [] } = json(answer) as { readonly traces?: readonly Plain[] };
  const byId = traces.map((trace) => [String(trace.traceID).padStart(32, "0"), trace] as const);
  return new Map(byId.filter(([id]) => known?.has(id) ?? true));
}

async function compareSearches(
  { ours, theirs, known, severalRoots, tally }: Sides,
  more: string | undefined,
): Promise<void> {
  const further = more === undefined ? [] : readFileSync(more, "utf8").split("\n").filter(Boolean);
  const found = tally("TraceQL: traces found");
  const spans = tally("TraceQL: spans of the traces that both found");
  const shown = tally("TraceQL: what is told of a trace and its spans");
  for (const query of [...traceqlQueries, ...refusedQueries, ...further]) {
    const asksRoot = /root(?:Service)?Name|rootService/.test(query);
    const meant = asksRoot ? known.difference(severalRoots) : known;
    const [a, b] = await Promise.all([search(ours, query, meant), search(theirs, query, meant)]);
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
    const details = both.map(
      (id) => [id, detailsOf(a.get(id) as Plain), detailsOf(b.get(id) as Plain)] as const,
    );
    for (const [id, mine, its] of details) {
      if (severalRoots.has(id)) for (const each of [mine, its]) forgetRoot(each);
      keepToldByBoth(mine, its);
    }
    shown.note(
      query,
      Object.fromEntries(details.map(([id, mine]) => [id, mine])),
      Object.fromEntries(details.map(([id, , its]) => [id, its])),
    );
  }
  for (const each of [found, spans, shown]) each.close();
  const old = tally("search by parameters: number of traces and spans");
  for (const parameters of oldSearches) {
    const isLimited = parameters.includes("limit") || parameters.includes("spss");
    const asked = isLimited ? parameters : `${parameters}&${everything}`;
    // Of as many as it likes, Tempo may choose traces that were there before.
    const meant = isLimited ? undefined : known;
    const [a, b] = await Promise.all([
      search(ours, "", meant, asked),
      search(theirs, "", meant, asked),
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

interface Details {
  readonly trace: Record<string, unknown>;
  /** Attributes by span and key. */
  readonly spans: Readonly<
    Record<string, { readonly own: unknown; attributes: Record<string, unknown> }>
  >;
}

function detailsOf({ spanSets, spanSet: _, ...trace }: Plain): Details {
  const spans = setsOf({ spanSets })
    .flatMap((set) => set.spans)
    .map(({ attributes = [], spanID, ...own }) => {
      const told = (attributes as readonly Plain[]).map(({ key, value }) => [key, value] as const);
      return [spanID, { own, attributes: Object.fromEntries(told) }] as const;
    });
  return { trace: { ...trace, traceID: "" }, spans: Object.fromEntries(spans) };
}

function forgetRoot({ trace }: Details): void {
  delete trace.rootServiceName;
  delete trace.rootTraceName;
}

/**
 * Tempo tells an attribute only where its storage met the condition on it, and of an array the
 * element that met it; the store tells what the span has. So what Tempo tells must be in the store's.
 */
function keepToldByBoth(mine: Details, its: Details): void {
  for (const [id, { attributes }] of Object.entries(mine.spans)) {
    const told = its.spans[id]?.attributes ?? {};
    for (const [key, value] of Object.entries(attributes)) {
      if (!(key in told)) delete attributes[key];
      else if (elementsOf(value).some((each) => isDeepStrictEqual(each, told[key])))
        attributes[key] = told[key];
    }
  }
}

const elementsOf = (value: unknown): readonly unknown[] =>
  ((value as { readonly arrayValue?: { readonly values: readonly unknown[] } }).arrayValue
    ?.values ?? []) as readonly unknown[];

const sortedKeys = (attributes: unknown): unknown =>
  [...(attributes as readonly Plain[])].sort((a, b) => (String(a.key) < String(b.key) ? -1 : 1));

/** Attributes for which Tempo has a column in every block. */
const tempoColumns: ReadonlySet<string> = new Set([
  ...["resource service.name", "span http.method", "span http.status_code"],
]);

interface TagValue {
  readonly type: string;
  readonly value?: string;
}

const valuesOf = (answer: Answer): readonly TagValue[] =>
  ((json(answer) as Plain).tagValues ?? []) as readonly TagValue[];

/** Those of the values for which a search finds no span that the filter means. */
async function unfoundValues(
  url: string,
  known: ReadonlySet<string>,
  tag: string,
  filter: string,
  values: readonly TagValue[],
): Promise<readonly TagValue[]> {
  const conditions = matchersOf(filter).map(({ text }) => text);
  const unfound: TagValue[] = [];
  for (const one of values) {
    const { type, value = "" } = one;
    const literal = type === "string" ? JSON.stringify(value) : value;
    const query = `{ ${[...conditions, `${tag} = ${literal}`].join(" && ")} }`;
    const found = await search(url, query, known);
    if (typeof found === "string" || found.size === 0) unfound.push(one);
  }
  return unfound;
}

async function compareTags({ ours, theirs, known, tally }: Sides): Promise<void> {
  const names = tally("tags");
  const values = tally("values of tags");
  const ask = async (
    result: ReturnType<Sides["tally"]>,
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
  const filtered = tally("values of tags, of the spans that a query means");
  for (const tag of filteredTagsAsked)
    for (const filter of [...tagFilters, ...wrongTagFilters]) {
      const path = `/api/v2/search/tag/${tag}/values?q=${encodeURIComponent(filter)}`;
      const [a, b] = await Promise.all([get(`${ours}${path}`), get(`${theirs}${path}`)]);
      if (a.status !== 200 || b.status !== 200) {
        filtered.note(path, a.status, b.status);
        continue;
      }
      const mine = valuesOf(a);
      const its = new Set(valuesOf(b).map((value) => JSON.stringify(value)));
      const only = mine.filter((value) => !its.has(JSON.stringify(value)));
      // Tempo leaves out values that its own search finds.
      const unfound = await unfoundValues(theirs, known, tag, filter, only);
      const told = mine.filter((value) => !only.includes(value) || unfound.includes(value));
      filtered.note(path, sorted(told), sorted(valuesOf(b)));
    }
  filtered.close();
  const filteredNames = tally("tags, of the spans that a query means");
  const namesOf = (answer: Answer): readonly string[] =>
    ((json(answer) as Plain).scopes as readonly Plain[]).flatMap(({ name, tags }) =>
      (tags as readonly string[]).map((tag) => `${name} ${tag}`),
    );
  for (const filter of tagFilters)
    for (const scope of ["", "&scope=span", "&scope=resource", "&scope=event"]) {
      const path = `/api/v2/search/tags?q=${encodeURIComponent(filter)}${scope}`;
      const [a, b] = await Promise.all([get(`${ours}${path}`), get(`${theirs}${path}`)]);
      const mine = new Set(namesOf(a));
      // Of other levels than the condition's it tells few, and what it has columns for always.
      const its = namesOf(b).filter((name) => !tempoColumns.has(name));
      filteredNames.note(path, [a.status, its.filter((name) => !mine.has(name))], [b.status, []]);
    }
  filteredNames.close();
  const limited = tally("tags and their values: limit, time and mistakes");
  const now = Math.floor(Date.now() / 1000);
  const around = `start=${now - 600}&end=${now + 600}`;
  const long = `start=${now - 9000}&end=${now - 8000}`;
  for (const asked of [
    ...["limit=2", "limit=0", "limit=x", "start=x&end=5", around, `${around}&limit=3`, long],
    ...[`start=${now}&end=${now - 9}`, `q=${encodeURIComponent("{ kind = client }")}&limit=1`],
  ]) {
    await ask(limited, `/api/v2/search/tag/name/values?${asked}`, ({ tagValues }) =>
      asked.includes("limit=")
        ? ((tagValues ?? []) as readonly unknown[]).length
        : sorted(tagValues),
    );
    await ask(limited, `/api/search/tag/foo/values?${asked}`, ({ tagValues }) =>
      asked.includes("limit=")
        ? ((tagValues ?? []) as readonly unknown[]).length
        : sorted(tagValues),
    );
  }
  for (const path of [
    ...["/api/search/tags?scope=span", "/api/search/tags?scope=intrinsic"],
    ...["/api/search/tags?scope=nowhere", "/api/search/tags?scope=none"],
  ])
    await ask(limited, path, ({ tagNames }) => sorted(tagNames));
  for (const path of ["/api/v2/search/tags?scope=nowhere", "/api/v2/search/tag/nobody/values"])
    await ask(limited, path, ({ tagValues }) => sorted(tagValues));
  limited.close();
  for (const path of ["/api/echo", "/ready"]) {
    const [a, b] = await Promise.all([get(`${ours}${path}`), get(`${theirs}${path}`)]);
    values.note(path, [a.status, a.body.toString().trim()], [b.status, b.body.toString().trim()]);
  }
  names.close();
  values.close();
}
