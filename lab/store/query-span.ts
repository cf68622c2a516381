import type { OtlpAnyValue, OtlpKeyValue, OtlpSpan } from "#lab/api/otlp.ts";
import { rowMask } from "./chunked-table.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { resource, scope, span as spanMessage } from "./otlp-schema.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";
import { spanRows } from "./trace-read.ts";
import type { QuerySpan, Value } from "./traceql/query-span.ts";
import { type AttributeScope, type Intrinsic, kinds, statuses } from "./traceql/syntax.ts";

/** A stored span as TraceQL asks for it; its bytes are decoded when an attribute is asked for. */
export interface StoredSpan extends QuerySpan {
  readonly row: number;
  readonly spanId: string;
  readonly name: string;
  readonly service: string;
  /** Nanoseconds after the store's base time. */
  readonly start: number;
  readonly durationNs: number;
  readonly isError: boolean;
  /** It names no parent. */
  readonly isRoot: boolean;
}

export interface StoredTrace {
  readonly traceId: string;
  readonly spans: readonly StoredSpan[];
  /** Earliest span that names no parent; undefined while none has come. */
  readonly root: StoredSpan | undefined;
  readonly start: number;
  readonly durationNs: number;
}

interface Attributes {
  readonly attributes?: readonly OtlpKeyValue[];
}
interface Scope extends Attributes {
  readonly name?: string;
  readonly version?: string;
}

/** Reads for one search; groups (resource, scope) are decoded once for all of it. */
export interface TraceReader {
  /** Undefined when none of its spans is there any more. */
  readonly trace: (trace: number) => StoredTrace | undefined;
  /** One span; the others of its trace are read when something about them is asked. */
  readonly span: (row: number) => StoredSpan;
}

export function traceReader(index: StoreIndex): TraceReader {
  const read = storedBytes(index.log);
  const groups = new Map<number, { readonly resource: Attributes; readonly scope: Scope }>();
  const groupOf = (group: number): { readonly resource: Attributes; readonly scope: Scope } => {
    const known = groups.get(group);
    if (known !== undefined) return known;
    const columns = index.spanGroups.columnsOf(group);
    const at = group & rowMask;
    const part = (offset: Uint32Array, length: Uint32Array): Buffer =>
      read(columns.segment[at] as number, offset[at] as number, length[at] as number);
    const decoded = {
      resource: decodeMessage(part(columns.resourceOffset, columns.resourceLength), resource),
      scope: decodeMessage(part(columns.scopeOffset, columns.scopeLength), scope) as Scope,
    };
    groups.set(group, decoded);
    return decoded;
  };

  function openTrace(trace: number) {
    const all = lazily(() => {
      const spans = new Map<number, StoredSpan>();
      for (const row of spanRows(index, trace)) spans.set(row, makeSpan(row));
      return spans;
    });
    const children = lazily(() => childrenOf(all()));
    const nested = lazily(() => nestedSets([...all().values()], children()));
    const whole = lazily(() => summary(index.traces.hex(trace), [...all().values()]));

    /** 0 where it names none, or one that is not there. */
    function parentRowOf(row: number): number {
      const { parentId } = index.spans.columnsOf(row);
      const at = (row & rowMask) * 2;
      const [high, low] = [parentId[at] as number, parentId[at + 1] as number];
      return (high | low) === 0 ? 0 : index.spans.find(trace, high, low);
    }

    function childrenOf(spans: ReadonlyMap<number, StoredSpan>) {
      const found = new Map<number, StoredSpan[]>();
      for (const [row, span] of spans) {
        const parentRow = parentRowOf(row);
        if (parentRow === 0 || parentRow === row) continue;
        const siblings = found.get(parentRow);
        if (siblings === undefined) found.set(parentRow, [span]);
        else siblings.push(span);
      }
      return found;
    }

    function makeSpan(row: number): StoredSpan {
      const columns = index.spans.columnsOf(row);
      const at = row & rowMask;
      const group = columns.group[at] as number;
      const parentHigh = columns.parentId[at * 2] as number;
      const parentLow = columns.parentId[at * 2 + 1] as number;
      const segment = index.spanGroups.columnsOf(group).segment[group & rowMask] as number;
      const decoded = lazily(
        () =>
          decodeMessage(
            read(segment, columns.offset[at] as number, columns.length[at] as number),
            spanMessage,
          ) as unknown as OtlpSpan,
      );
      const start = columns.start[at] as number;
      const events = (): OtlpSpan["events"] & object => decoded().events ?? [];
      const links = (): OtlpSpan["links"] & object => decoded().links ?? [];
      const self: StoredSpan = {
        row,
        start,
        spanId: hex(columns.spanId, at),
        name: index.names.text(columns.name[at] as number) ?? decoded().name,
        service: index.services.text(columns.service[at] as number) ?? "",
        durationNs: columns.duration[at] as number,
        isError: columns.status[at] === 2,
        isRoot: (parentHigh | parentLow) === 0,
        get parent() {
          return nested().has(row) ? all().get(parentRowOf(row)) : undefined;
        },
        get children() {
          return nested().has(row) ? (children().get(row) ?? []) : [];
        },
        attribute: (scopeName, name) =>
          owners(scopeName, name).flatMap((each) => lookUp(each, name)),
        isFloat: (scopeName, name) =>
          owners(scopeName, name).some((each) => isFloat(find(each, name)?.value)),
        intrinsic,
      };

      /** Where an attribute of the scope may stand. */
      function owners(scopeName: AttributeScope, name: string): readonly Attributes[] {
        switch (scopeName) {
          case "any":
            return [lookUp(decoded(), name).length > 0 ? decoded() : groupOf(group).resource];
          case "span":
            return [decoded()];
          case "resource":
            return [groupOf(group).resource];
          case "instrumentation":
            return [groupOf(group).scope];
          case "event":
            return events();
          case "link":
            return links();
        }
      }

      function intrinsic(name: Intrinsic): readonly Value[] {
        switch (name) {
          case "name":
            return [self.name];
          case "kind":
            return [kinds[columns.kind[at] as number] ?? "unspecified"];
          case "status":
            return [statuses[columns.status[at] as number] ?? "unset"];
          case "statusMessage":
            return [decoded().status?.message ?? ""];
          case "duration":
            return [self.durationNs];
          case "traceDuration":
            return [whole().durationNs];
          case "rootName":
            return [whole().root?.name ?? ""];
          case "rootServiceName":
            return [whole().root?.service ?? ""];
          case "childCount":
            return [self.children.length];
          case "nestedSetLeft":
          case "nestedSetRight":
          case "nestedSetParent":
            return [nested().get(row)?.[name] ?? 0];
          case "span:id":
            return [self.spanId];
          case "span:parentID":
            return (parentHigh | parentLow) === 0 ? [] : [hex(columns.parentId, at)];
          case "trace:id":
            return [index.traces.hex(trace)];
          case "event:name":
            return events().map((event) => event.name);
          case "event:timeSinceStart":
            return events().map((event) =>
              Number(BigInt(event.timeUnixNano ?? 0) - BigInt(decoded().startTimeUnixNano ?? 0)),
            );
          case "link:traceID":
            return links().map((link) => link.traceId);
          case "link:spanID":
            return links().map((link) => link.spanId);
          case "instrumentation:name":
            return [groupOf(group).scope.name ?? ""];
          case "instrumentation:version":
            return [groupOf(group).scope.version ?? ""];
        }
      }

      return self;
    }

    return { all, whole, makeSpan };
  }

  const open = new Map<number, ReturnType<typeof openTrace>>();
  return {
    trace: (trace) => {
      const { all, whole } = openTrace(trace);
      return all().size === 0 ? undefined : whole();
    },
    span: (row) => {
      const trace = index.spans.columnsOf(row).trace[row & rowMask] as number;
      const known = open.get(trace) ?? openTrace(trace);
      open.set(trace, known);
      return known.makeSpan(row);
    },
  };
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

const word = (value: number): string => value.toString(16).padStart(8, "0");
const hex = (ids: Uint32Array, at: number): string =>
  word(ids[at * 2] as number) + word(ids[at * 2 + 1] as number);

function summary(traceId: string, spans: readonly StoredSpan[]): StoredTrace {
  let start = Number.POSITIVE_INFINITY;
  let end = Number.NEGATIVE_INFINITY;
  let root: StoredSpan | undefined;
  for (const span of spans) {
    start = Math.min(start, span.start);
    end = Math.max(end, span.start + span.durationNs);
    if (span.isRoot && (root === undefined || span.start < root.start)) root = span;
  }
  return { traceId, spans, root, start, durationNs: end - start };
}

interface NestedSet {
  nestedSetLeft: number;
  nestedSetRight: number;
  /** Left number of the parent; -1 for roots. */
  nestedSetParent: number;
}

/**
 * Numbers the trees so that a descendant's numbers lie between its ancestor's. As in Tempo, what
 * hangs on no root has no numbers and stands in no relation.
 */
function nestedSets(
  spans: readonly StoredSpan[],
  children: ReadonlyMap<number, readonly StoredSpan[]>,
): ReadonlyMap<number, NestedSet> {
  const sets = new Map<number, NestedSet>();
  let next = 1;
  const roots = spans.filter(({ isRoot }) => isRoot);
  const open: { readonly span: StoredSpan; child: number }[] = [];
  const enter = (span: StoredSpan, parent: number): void => {
    sets.set(span.row, { nestedSetLeft: next++, nestedSetRight: 0, nestedSetParent: parent });
    open.push({ span, child: 0 });
  };
  for (const root of roots) {
    enter(root, -1);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const child = children.get(top.span.row)?.[top.child++];
      const own = sets.get(top.span.row) as NestedSet;
      if (child === undefined) {
        own.nestedSetRight = next++;
        open.pop();
      } else if (!sets.has(child.row)) enter(child, own.nestedSetLeft);
    }
  }
  return sets;
}

const find = ({ attributes = [] }: Attributes, name: string): OtlpKeyValue | undefined =>
  attributes.find(({ key = "" }) => key === name);

const lookUp = (owner: Attributes, name: string): readonly Value[] =>
  anyValues(find(owner, name)?.value);

const isFloat = (value: OtlpAnyValue | undefined): boolean =>
  value?.doubleValue !== undefined || (value?.arrayValue?.values ?? []).some(isFloat);

function anyValues(value: OtlpAnyValue | undefined): readonly Value[] {
  if (value?.stringValue !== undefined) return [value.stringValue];
  if (value?.boolValue !== undefined) return [value.boolValue];
  if (value?.intValue !== undefined) return [Number(value.intValue)];
  if (value?.doubleValue !== undefined) return [Number(value.doubleValue)];
  if (value?.arrayValue !== undefined) return (value.arrayValue.values ?? []).flatMap(anyValues);
  return [];
}
