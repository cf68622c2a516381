import { rowMask } from "./chunked-table.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { resource, scope, span as spanMessage } from "./otlp-schema.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";
import { everySpan, type TagQuery, tagSpans } from "./tag-spans.ts";
import { fieldKey } from "./trace-search.ts";
import { fieldValues } from "./traceql/evaluate.ts";
import { isScoped } from "./traceql/matchers.ts";
import type { Value } from "./traceql/query-span.ts";
import {
  type AttributeScope,
  type FieldReference,
  intrinsicTypes,
  kinds,
  scopedIntrinsics,
  statuses,
} from "./traceql/syntax.ts";

/** Names per scope, and values, that are told where nobody says how many. */
const usualLimit = 1000;

const scopes = ["resource", "span", "event", "link", "instrumentation"] as const;

export interface TagScope {
  readonly name: (typeof scopes)[number] | "intrinsic";
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

/** Attribute names that spans carry, by scope; a scope that has none is left out. */
export function tagNames(
  index: StoreIndex,
  query: TagQuery = everySpan,
  limit = usualLimit,
): readonly TagScope[] {
  const read = storedBytes(index.log);
  const found = {
    resource: new Set<string>(),
    span: new Set<string>(),
    event: new Set<string>(),
    link: new Set<string>(),
    instrumentation: new Set<string>(),
  };
  const collect = (into: Set<string>, { attributes = [] }: Attributes): void => {
    for (const { key } of attributes) if (key) into.add(key);
  };
  const groups = new Set<number>();
  for (const { row } of tagSpans(index, query)) {
    const columns = index.spans.columnsOf(row);
    const at = row & rowMask;
    const group = columns.group[at] as number;
    const shared = index.spanGroups.columnsOf(group);
    const g = group & rowMask;
    const segment = shared.segment[g] as number;
    if (!groups.has(group)) {
      groups.add(group);
      const part = (offset: Uint32Array, length: Uint32Array): Buffer =>
        read(segment, offset[g] as number, length[g] as number);
      const { resourceOffset, resourceLength, scopeOffset, scopeLength } = shared;
      collect(found.resource, decodeMessage(part(resourceOffset, resourceLength), resource));
      collect(found.instrumentation, decodeMessage(part(scopeOffset, scopeLength), scope));
    }
    const bytes = read(segment, columns.offset[at] as number, columns.length[at] as number);
    const span = decodeMessage(bytes, spanMessage) as SpanJson;
    collect(found.span, span);
    for (const event of span.events ?? []) collect(found.event, event);
    for (const link of span.links ?? []) collect(found.link, link);
  }
  return [
    ...scopes.flatMap((name) =>
      found[name].size === 0 ? [] : [{ name, tags: [...found[name]].sort().slice(0, limit) }],
    ),
    { name: "intrinsic", tags: listedIntrinsics },
  ];
}

export interface TagValue {
  readonly type: "string" | "int" | "float" | "bool" | "keyword";
  readonly value: string;
}

/** Values that spans have of a field. What the query says it equals is not looked for. */
export function tagValues(
  index: StoreIndex,
  field: FieldReference,
  query: TagQuery = everySpan,
  limit = usualLimit,
): readonly TagValue[] {
  const type = field.node === "intrinsic" ? intrinsicTypes[field.name] : undefined;
  if (field.node === "intrinsic" && isCounted(field.name)) return [];
  if (type === "status") return statuses.map((value) => ({ type: "keyword", value }));
  if (type === "kind") return kinds.map((value) => ({ type: "keyword", value }));
  const wanted = fieldKey(field);
  const equal = query.matchers.find(
    (one) => one.operator === "=" && fieldKey(one.field) === wanted,
  );
  if (equal !== undefined && equal.value.type !== "nil")
    return [tagValue(equal.value.value, equal.value.type === "float")];
  const found = new Map<string, TagValue>();
  const meant = isScoped(field) ? query : { ...query, matchers: [] };
  for (const span of tagSpans(index, meant)) {
    for (const value of fieldValues(field, span)) {
      const isFloat = field.node === "attribute" && span.isFloat(field.scope, field.name);
      const told = tagValue(value, isFloat);
      found.set(`${told.type} ${told.value}`, told);
    }
    if (found.size >= limit) break;
  }
  return [...found.values()].slice(0, limit).sort((a, b) => (a.value < b.value ? -1 : 1));
}

/** Durations, ids and numbers of the tree are as many as there are spans: Tempo lists none. */
const isCounted = (name: keyof typeof intrinsicTypes): boolean =>
  /^(?:duration|int)$/.test(intrinsicTypes[name]) || /(?:[iI]d|ID)$/.test(name);

const attributeScopes: readonly (readonly [string, AttributeScope])[] = [
  [".", "any"],
  ...scopes.map((scope) => [`${scope}.`, scope] as const),
];

/** The field of a tag's name, as the path of a request has it: an intrinsic, or an attribute behind its scope. */
export function tagField(tag: string): FieldReference | undefined {
  const intrinsic = scopedIntrinsics.get(tag);
  if (intrinsic !== undefined) return { node: "intrinsic", name: intrinsic, at: 0 };
  const [prefix, scope] = attributeScopes.find(([begin]) => tag.startsWith(begin)) ?? [];
  if (prefix === undefined || scope === undefined) return undefined;
  return attribute(scope, tag.slice(prefix.length));
}

/** The attribute of that name in whatever scope. */
export const anyAttribute = (name: string): FieldReference => attribute("any", name);

function attribute(scope: AttributeScope, text: string): FieldReference {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(text) ?? [];
  const name = quoted === undefined ? text : quoted.replace(/\\(.)/g, "$1");
  return { node: "attribute", scope, ofParent: false, name, at: 0 };
}

function tagValue(value: Value, isFloat: boolean): TagValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value: String(value) };
  if (!isFloat) return { type: "int", value: String(value) };
  // Tempo's spelling: a float never looks like an integer.
  return { type: "float", value: Number.isInteger(value) ? `${value}.0` : String(value) };
}
