import { attribute, rootSpanName } from "#scenarios/names.ts";
import { rowMask } from "./chunked-table.ts";
import type { StoreIndex } from "./store.ts";
import { traceJson } from "./trace-read.ts";

/** When a scenario was last run in a mode. */
export interface RunStart {
  readonly scenario: string;
  readonly mode: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const prefix = rootSpanName("");

/** Makes the function that tells the last run of every scenario and mode whose root span is here. It looks at each span once. */
export function runStarts(index: StoreIndex): () => readonly RunStart[] {
  const starts = new Map<string, RunStart>();
  const scenarioOf = new Map<number, string | undefined>();
  let next = 0;

  function scenario(name: number): string | undefined {
    if (!scenarioOf.has(name)) {
      const text = index.names.text(name);
      scenarioOf.set(name, text?.startsWith(prefix) ? text.slice(prefix.length) : undefined);
    }
    return scenarioOf.get(name);
  }

  return () => {
    const { high, low } = index.base();
    const last = index.spans.last();
    for (let row = Math.max(next, index.spans.first()); row <= last; row++) {
      const columns = index.spans.columnsOf(row);
      const at = row & rowMask;
      const found = scenario(columns.name[at] as number);
      if (found === undefined) continue;
      const start = (high * 0x1_0000_0000 + low + (columns.start[at] as number)) / 1e6;
      const mode = modeOf(index, row);
      const key = `${found} ${mode}`;
      if (start > (starts.get(key)?.at ?? 0)) starts.set(key, { scenario: found, mode, at: start });
    }
    next = last + 1;
    return [...starts.values()];
  };
}

interface Attributed {
  readonly attributes?: readonly {
    readonly key: string;
    readonly value: { readonly stringValue?: string };
  }[];
}

function modeOf(index: StoreIndex, row: number): string {
  const [under] = traceJson(index, 0, "otlp", [row]) ?? [];
  const scopes = under?.scopeSpans as readonly { readonly spans: readonly Attributed[] }[];
  const found = scopes?.[0]?.spans[0]?.attributes?.find(
    ({ key }) => key === attribute.scenarioMode,
  );
  return found?.value.stringValue ?? "";
}
