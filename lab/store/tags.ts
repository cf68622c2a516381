import { rowMask } from "./chunked-table.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { resource, span as spanMessage } from "./otlp-schema.ts";
import { traceReader } from "./query-span.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";
import { fieldValues } from "./traceql/evaluate.ts";
import { parseTraceql } from "./traceql/parser.ts";
import type { Value } from "./traceql/query-span.ts";
import {
  type FieldReference,
  intrinsicTypes,
  kinds,
  scopedIntrinsics,
  statuses,
  TraceqlError,
} from "./traceql/syntax.ts";

/** How many of the newest spans are asked for their attributes. */
const sampledSpans = 5000;
const maxValues = 1000;

export interface TagScope {
  readonly name: "resource" | "span" | "event" | "link" | "intrinsic";
  readonly tags: readonly string[];
}

interface Attributes {
  readonly attributes?: readonly { readonly key?: string }[];
}
interface SpanJson extends Attributes {
  readonly events?: readonly Attributes[];
  readonly links?: readonly Attributes[];
}

/** The intrinsics that Tempo offers, in every spelling; it keeps those of the tree and the ids to itself. */
const listedIntrinsics: readonly string[] = [...scopedIntrinsics.keys()]
  .filter(
    (name) =>
      !/^(?:nestedSet|span:(?:id|parentID|childCount)|childCount|trace:id|link:)/.test(name),
  )
  .sort();

/** Attribute names that the newest spans carry, by scope. */
export function tagNames(index: StoreIndex): readonly TagScope[] {
  const read = storedBytes(index.log);
  const found = {
    resource: new Set<string>(),
    span: new Set<string>(),
    event: new Set<string>(),
    link: new Set<string>(),
  };
  const collect = (into: Set<string>, { attributes = [] }: Attributes): void => {
    for (const { key } of attributes) if (key) into.add(key);
  };
  const groups = new Set<number>();
  for (const row of newestRows(index)) {
    const columns = index.spans.columnsOf(row);
    const at = row & rowMask;
    const group = columns.group[at] as number;
    const shared = index.spanGroups.columnsOf(group);
    const g = group & rowMask;
    const segment = shared.segment[g] as number;
    if (!groups.has(group)) {
      groups.add(group);
      const offset = shared.resourceOffset[g] as number;
      const bytes = read(segment, offset, shared.resourceLength[g] as number);
      collect(found.resource, decodeMessage(bytes, resource));
    }
    const bytes = read(segment, columns.offset[at] as number, columns.length[at] as number);
    const span = decodeMessage(bytes, spanMessage) as SpanJson;
    collect(found.span, span);
    for (const event of span.events ?? []) collect(found.event, event);
    for (const link of span.links ?? []) collect(found.link, link);
  }
  return [
    ...(["resource", "span", "event", "link"] as const).map((name) => ({
      name,
      tags: [...found[name]].sort(),
    })),
    { name: "intrinsic", tags: listedIntrinsics },
  ];
}

function* newestRows(index: StoreIndex): Generator<number> {
  const oldest = Math.max(index.spans.first(), index.spans.last() - sampledSpans + 1);
  for (let row = index.spans.last(); row >= oldest; row--) yield row;
}

export interface TagValue {
  readonly type: "string" | "int" | "float" | "bool" | "keyword";
  readonly value: string;
}

/** Values of a tag among the newest spans. A bare name is looked for in any scope. */
export function tagValues(index: StoreIndex, tag: string): readonly TagValue[] {
  if (tag === "status") return statuses.map((value) => ({ type: "keyword", value }));
  if (tag === "kind") return kinds.map((value) => ({ type: "keyword", value }));
  const field = fieldOf(tag);
  if (field === undefined || isCounted(field)) return [];
  const read = traceReader(index);
  const seen = new Set<number>();
  const found = new Map<string, TagValue>();
  for (const row of newestRows(index)) {
    const trace = index.spans.columnsOf(row).trace[row & rowMask] as number;
    if (seen.has(trace)) continue;
    seen.add(trace);
    for (const span of read(trace)?.spans ?? [])
      for (const value of fieldValues(field, span)) {
        const isFloat = field.node === "attribute" && span.isFloat(field.scope, field.name);
        const told = tagValue(value, isFloat);
        found.set(`${told.type} ${told.value}`, told);
        if (found.size >= maxValues) return [...found.values()];
      }
  }
  return [...found.values()].sort((a, b) => (a.value < b.value ? -1 : 1));
}

/** Durations and numbers of the tree are as many as there are spans: Tempo lists none. */
const isCounted = (field: FieldReference): boolean =>
  field.node === "intrinsic" && /^(?:duration|int)$/.test(intrinsicTypes[field.name]);

function fieldOf(tag: string): FieldReference | undefined {
  for (const text of [tag, `."${tag.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`])
    try {
      const [stage] = parseTraceql(`{ ${text} = nil }`).stages;
      const condition = stage?.node === "filter" ? stage.condition : undefined;
      const left = condition?.node === "binary" ? condition.left : undefined;
      if (left?.node === "attribute" || left?.node === "intrinsic") return left;
    } catch (error) {
      if (!(error instanceof TraceqlError)) throw error;
    }
  return undefined;
}

function tagValue(value: Value, isFloat: boolean): TagValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value: String(value) };
  if (!isFloat) return { type: "int", value: String(value) };
  // Tempo's spelling: a float never looks like an integer.
  return { type: "float", value: Number.isInteger(value) ? `${value}.0` : String(value) };
}
