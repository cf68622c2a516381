import { type CriticalStretch, criticalPath } from "../trace/critical-path.ts";
import { isLayer, layersAbove, layout, parentsFrom, type Row, shownRows } from "../trace/layout.ts";
import { failedRows, findRows, step } from "../trace/search.ts";
import { clampWindow, type Window, wholeOf, zoom } from "../trace/time-scale.ts";
import type { Trace } from "../trace/trace.ts";
import { DetailsReader } from "./span-details.svelte.ts";

/** Where the waterfall tells what is looked at, so that the URL can follow. */
export interface WaterfallListener {
  readonly onSelect: (spanId: string | null) => void;
  readonly onWindow: (window: Window | null) => void;
}

const nothing: Trace = { id: "", startUnixNano: 0n, durationMs: 0, spans: [], hues: [] };

/** What a waterfall shows of a trace: which rows are open, selected and found, and which window. */
export class Waterfall {
  trace = $state.raw<Trace>(nothing);
  readonly #traceId = $derived(this.trace.id);
  collapsed = $state.raw<ReadonlySet<string>>(new Set());
  /** Row with the keyboard's cursor. */
  cursorId = $state<string | null>(null);
  /** Row whose details are open. */
  openId = $state<string | null>(null);
  /** Null: the whole trace, also while it grows. */
  zoomed = $state.raw<Window | null>(null);
  #query = $state("");
  /** Spans that something else on the page is about, e.g. a check: they take the place of a search. */
  #marked = $state.raw<{ readonly title: string; readonly ids: ReadonlySet<string> } | null>(null);
  /** Only what was found, and what it hangs under. */
  onlyFound = $state(false);
  showCritical = $state(false);
  /** Layers of the framework are rows too. */
  showLayers = $state(false);

  /** Of the spans that came without; a trace that grows keeps those read so far. */
  readonly details = $derived(new DetailsReader(this.#traceId));
  readonly rows = $derived.by(() => layout(this.trace));
  readonly shown = $derived.by(() => {
    const all = shownRows(this.rows, this.collapsed, !this.showLayers);
    if (!this.onlyFound || this.found.length === 0) return all;
    const kept = withAncestors(this.rows, this.found);
    return all.filter((index) => kept.has(index));
  });
  readonly layers = $derived.by(() => this.rows.reduce((n, row) => n + Number(isLayer(row)), 0));
  readonly #layersAbove = $derived.by(() => layersAbove(this.rows));
  readonly window = $derived(this.zoomed ?? wholeOf(this.trace.durationMs));
  readonly found = $derived.by(() => {
    const marked = this.#marked;
    if (marked === null) return findRows(this.rows, this.#query);
    return this.rows.flatMap(({ id }, index) => (marked.ids.has(id) ? [index] : []));
  });
  readonly failed = $derived.by(() => failedRows(this.rows));
  readonly depth = $derived.by(() =>
    this.shown.reduce((most, index) => Math.max(most, this.depthOf(index) + 1), 0),
  );
  readonly critical = $derived.by(() =>
    this.showCritical ? byRow(criticalPath(this.rows)) : undefined,
  );
  readonly #indexById = $derived.by(() => new Map(this.rows.map(({ id }, index) => [id, index])));
  /** Row index of the cursor; -1 when there is none. */
  readonly cursor = $derived(this.#indexById.get(this.cursorId ?? "") ?? -1);
  readonly openRow = $derived.by(
    (): Row | undefined => this.rows[this.#indexById.get(this.openId ?? "") ?? -1],
  );

  readonly #listener: WaterfallListener;

  constructor(listener: WaterfallListener) {
    this.#listener = listener;
  }

  get query(): string {
    return this.#query;
  }

  set query(text: string) {
    this.#marked = null;
    this.#query = text;
  }

  /** What the marked spans are about; null while there are none. */
  get markedFor(): string | null {
    return this.#marked?.title ?? null;
  }

  /** Marks spans as a search marks what it found, and goes to the first. */
  mark(title: string, ids: readonly string[]): void {
    this.#query = "";
    this.#marked = { title, ids: new Set(ids) };
    this.select(this.found[0] ?? -1);
  }

  /** Puts the cursor on a row, opening what hides it; details follow when they are open. */
  select(index: number): void {
    const row = this.rows[index];
    if (row === undefined) return;
    this.#reveal(row);
    this.cursorId = row.id;
    if (this.openId !== null) this.open(row.id);
  }

  /** Opens a row's details, or closes them. */
  open(id: string | null): void {
    this.openId = id;
    if (id !== null) {
      const row = this.rows[this.#indexById.get(id) ?? -1];
      if (row !== undefined) this.#reveal(row);
      this.cursorId = id;
    }
    this.#listener.onSelect(id);
  }

  /** Moves the cursor over the rows shown. */
  move(by: number): void {
    const at = this.shown.indexOf(this.cursor);
    const next = at === -1 ? 0 : Math.min(Math.max(at + by, 0), this.shown.length - 1);
    this.select(this.shown[next] ?? -1);
  }

  /** Right arrow: opens a closed row, else goes to its first child. */
  enter(): void {
    const row = this.rows[this.cursor];
    if (row === undefined || row.childCount === 0) return;
    if (this.collapsed.has(row.id)) this.toggle(row.id);
    else this.move(1);
  }

  /** Left arrow: closes an open row, else goes to its parent. */
  leave(): void {
    const row = this.rows[this.cursor];
    if (row === undefined) return;
    if (row.childCount > 0 && !this.collapsed.has(row.id)) this.toggle(row.id);
    else this.select(this.#shownParent(row));
  }

  /** Level of a row as it is shown, 0 for roots. */
  depthOf(index: number): number {
    const depth = this.rows[index]?.depth ?? 0;
    return this.showLayers ? depth : depth - (this.#layersAbove[index] ?? 0);
  }

  toggle(id: string): void {
    const next = new Set(this.collapsed);
    if (!next.delete(id)) next.add(id);
    this.collapsed = next;
  }

  expandAll(): void {
    this.collapsed = new Set();
  }

  /** Closes the deepest level that is open. */
  collapseLevel(): void {
    const open = this.rows.filter((row) => row.childCount > 0 && this.#isOpen(row));
    const deepest = Math.max(...open.map(({ depth }) => depth));
    const ids = open.filter(({ depth }) => depth === deepest).map(({ id }) => id);
    if (ids.length > 0) this.collapsed = new Set([...this.collapsed, ...ids]);
  }

  /** Opens the topmost level that is closed. */
  expandLevel(): void {
    const closed = this.rows.filter(({ id }) => this.collapsed.has(id));
    const top = Math.min(...closed.map(({ depth }) => depth));
    const next = new Set(this.collapsed);
    for (const { id, depth } of closed) if (depth === top) next.delete(id);
    this.collapsed = next;
  }

  /** Leaves the roots and their children in sight. */
  collapseAll(): void {
    this.collapsed = new Set(parentsFrom(this.rows, 1));
  }

  /** Next (or previous) row that the search found. */
  nextFound(direction: 1 | -1): void {
    this.select(step(this.found, this.cursor, direction) ?? -1);
  }

  /** Next row that failed by itself. */
  nextFailed(): void {
    this.select(step(this.failed, this.cursor, 1) ?? -1);
  }

  /** Shows a window; null shows everything. */
  show(window: Window | null): void {
    this.zoomed = window === null ? null : clampWindow(window, this.trace.durationMs);
    this.#listener.onWindow(this.zoomed);
  }

  /** Closer (below 1) or farther, with the moment at `share` of the window kept in place. */
  zoomBy(factor: number, share = 0.5): void {
    const next = zoom(this.window, factor, share, this.trace.durationMs);
    const whole = wholeOf(this.trace.durationMs);
    this.show(next.fromMs <= 0 && next.toMs >= whole.toMs ? null : next);
  }

  /** Neither it nor anything above it is closed. */
  #isOpen(row: Row): boolean {
    for (let at: Row | undefined = row; at !== undefined; at = this.rows[at.parent]) {
      if (this.collapsed.has(at.id)) return false;
    }
    return true;
  }

  #shownParent({ parent }: Row): number {
    let index = parent;
    for (let row = this.rows[index]; row !== undefined; row = this.rows[index]) {
      if (this.showLayers || !isLayer(row)) break;
      index = row.parent;
    }
    return index;
  }

  #reveal(row: Row): void {
    if (isLayer(row)) this.showLayers = true;
    const next = new Set(this.collapsed);
    for (
      let parent = this.rows[row.parent];
      parent !== undefined;
      parent = this.rows[parent.parent]
    ) {
      next.delete(parent.id);
    }
    if (next.size !== this.collapsed.size) this.collapsed = next;
  }
}

function withAncestors(rows: readonly Row[], found: readonly number[]): ReadonlySet<number> {
  const kept = new Set<number>();
  for (const index of found) {
    for (let at = index; at >= 0 && !kept.has(at); at = rows[at]?.parent ?? -1) kept.add(at);
  }
  return kept;
}

function byRow(
  stretches: readonly CriticalStretch[],
): ReadonlyMap<number, readonly CriticalStretch[]> {
  return Map.groupBy(stretches, ({ row }) => row);
}
