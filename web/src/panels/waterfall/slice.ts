/** Height of a row in pixels; `--row` in the tokens. */
export const rowHeightPx = 24;

const overscan = 8;

/** A row to draw: `at` is its place among the rows shown, `slot` the DOM element it reuses. */
export interface Slot {
  readonly slot: number;
  readonly at: number;
}

/** The rows in sight and some beyond, each bound to a slot, so that scrolling moves elements instead of making them. */
export function sliceOf(count: number, scrollTop: number, heightPx: number): readonly Slot[] {
  const perView = Math.ceil(heightPx / rowHeightPx) + 1;
  const slots = perView + 2 * overscan;
  const top = Math.floor(scrollTop / rowHeightPx) - overscan;
  const first = Math.min(Math.max(0, top), Math.max(0, count - slots));
  return Array.from({ length: Math.min(slots, count - first) }, (_, offset) => ({
    at: first + offset,
    slot: (first + offset) % slots,
  }));
}
