import { untrack } from "svelte";
import { type CriticalStretch, criticalPath } from "../trace/critical-path.ts";
import { isLayer, layersAbove, layout, parentsFrom, type Row, shownRows } from "../trace/layout.ts";
import { failedRows, findRows, step } from "../trace/search.ts";
import { groupEqualSiblings } from "../trace/sibling-groups.ts";
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
  #trace = $state.raw<Trace>(nothing);
  readonly #traceId = $derived(this.trace.id);
  /** Rows that are not as rows are at first: groups closed, all others open. */
  #toggled = $state.raw<ReadonlySet<string>>(new Set());
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
  readonly rows = $derived.by(() => groupEqualSiblings(layout(this.trace)));
  readonly shown = $derived.by(() => {
    const all = shownRows(this.rows, (row) => this.isClosed(row), !this.showLayers);
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
  /** Levels of spans among the rows shown: a group is none. */
  readonly depth = $derived.by(() =>
    this.shown.reduce((most, index) => Math.max(most, this.#spanDepthOf(index) + 1), 0),
  );
  readonly critical = $derived.by(() =>
    this.showCritical ? byRow(criticalPath(this.rows), this.rows) : undefined,
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

  get trace(): Trace {
    return this.#trace;
  }

  /** Takes a trace, or one that has grown: what is looked at stays in sight. */
  set trace(trace: Trace) {
    untrack(() => {
      const looked = this.openId ?? this.cursorId;
      const before = this.#parentOf(looked);
      this.#trace = trace;
      const after = this.#parentOf(looked);
      // It came just now, or has just become one of many equals.
      if (after !== undefined && after !== before) this.#reveal(this.#rowOf(looked));
    });
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
      this.#reveal(this.#rowOf(id));
      this.cursorId = id;
    }
    // A link names a span: a group has no id that anybody else would know.
    this.#listener.onSelect(this.openRow?.kind === "group" ? null : id);
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
    if (this.isClosed(row)) this.toggle(row.id);
    else this.move(1);
  }

  /** Left arrow: closes an open row, else goes to its parent. */
  leave(): void {
    const row = this.rows[this.cursor];
    if (row === undefined) return;
    if (row.childCount > 0 && !this.isClosed(row)) this.toggle(row.id);
    else this.select(this.#shownParent(row));
  }

  /** Level of a row as it is shown, 0 for roots. */
  depthOf(index: number): number {
    const parent = this.rows[this.rows[index]?.parent ?? -1];
    return this.#spanDepthOf(index) + Number(parent?.kind === "group");
  }

  /** What hangs below it is hidden. */
  isClosed({ id, kind }: Row): boolean {
    return this.#toggled.has(id) !== (kind === "group");
  }

  toggle(id: string): void {
    this.#turn([id]);
  }

  expandAll(): void {
    this.#set(this.rows, false);
  }

  /** Closes the deepest level that is open. */
  collapseLevel(): void {
    const open = this.rows.filter((row) => row.childCount > 0 && this.#isOpen(row));
    const deepest = Math.max(...open.map(({ depth }) => depth));
    this.#set(
      open.filter(({ depth }) => depth === deepest),
      true,
    );
  }

  /** Opens the topmost level that is closed. */
  expandLevel(): void {
    const closed = this.rows.filter((row) => this.isClosed(row));
    const top = Math.min(...closed.map(({ depth }) => depth));
    this.#set(
      closed.filter(({ depth }) => depth === top),
      false,
    );
  }

  /** Leaves the roots and their children in sight. */
  collapseAll(): void {
    this.expandAll();
    this.#set(parentsFrom(this.rows, 1), true);
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

  #spanDepthOf(index: number): number {
    const depth = this.rows[index]?.depth ?? 0;
    return this.showLayers ? depth : depth - (this.#layersAbove[index] ?? 0);
  }

  /** Neither it nor anything above it is closed. */
  #isOpen(row: Row): boolean {
    for (let at: Row | undefined = row; at !== undefined; at = this.rows[at.parent]) {
      if (this.isClosed(at)) return false;
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

  #rowOf(id: string | null): Row | undefined {
    return this.rows[this.#indexById.get(id ?? "") ?? -1];
  }

  /** Id of the row that a row hangs under, empty for a root; undefined where it is not there. */
  #parentOf(id: string | null): string | undefined {
    const row = this.#rowOf(id);
    return row === undefined ? undefined : (this.rows[row.parent]?.id ?? "");
  }

  #set(rows: readonly Row[], closed: boolean): void {
    this.#turn(rows.filter((row) => this.isClosed(row) !== closed).map(({ id }) => id));
  }

  #turn(ids: readonly string[]): void {
    if (ids.length === 0) return;
    const next = new Set(this.#toggled);
    for (const id of ids) if (!next.delete(id)) next.add(id);
    this.#toggled = next;
  }

  #reveal(row: Row | undefined): void {
    if (row === undefined) return;
    if (isLayer(row)) this.showLayers = true;
    const above: Row[] = [];
    for (let at = this.rows[row.parent]; at !== undefined; at = this.rows[at.parent]) {
      above.push(at);
    }
    this.#set(above, false);
  }
}

function withAncestors(rows: readonly Row[], found: readonly number[]): ReadonlySet<number> {
  const kept = new Set<number>();
  for (const index of found) {
    for (let at = index; at >= 0 && !kept.has(at); at = rows[at]?.parent ?? -1) kept.add(at);
  }
  return kept;
}

/** Stretches by the index of their row; a group has those of its members. */
function byRow(
  stretches: readonly CriticalStretch[],
  rows: readonly Row[],
): ReadonlyMap<number, readonly CriticalStretch[]> {
  const ofGroups = stretches.flatMap((stretch) => {
    const parent = rows[stretch.row]?.parent ?? -1;
    return rows[parent]?.kind === "group" ? [{ ...stretch, row: parent }] : [];
  });
  return Map.groupBy([...stretches, ...ofGroups], ({ row }) => row);
}
