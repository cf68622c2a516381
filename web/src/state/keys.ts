/** True while the user writes somewhere: letters are text then. */
export const isTyping = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName) || isTextInput(target));

const isTextInput = (target: HTMLElement): boolean =>
  target instanceof HTMLInputElement && !/^(radio|checkbox|button|range)$/.test(target.type);

/** True for a key press with Ctrl, Alt or Meta: it belongs to the browser. */
export const isChord = ({ ctrlKey, altKey, metaKey }: KeyboardEvent): boolean =>
  ctrlKey || altKey || metaKey;

/** Every shortcut, as the help shows it. */
export const shortcuts: readonly (readonly [keys: string, effect: string])[] = [
  ["1 … 5", "Scenarios, the last run, Runs, Traces, Services"],
  ["g s, g r, g t, g v", "The same by letter: scenarios, runs, traces, services"],
  ["/", "Search on this page"],
  ["r", "Run the shown run again"],
  ["↑ ↓ or j k", "Next and previous row of a tree"],
  ["→ ← or l h", "Open and close, or go to child and parent"],
  ["Enter", "Open the details of a span"],
  ["Esc", "Close details, clear a search"],
  ["n N", "Next and previous match"],
  ["e", "Next span that failed"],
  ["[ ]", "Close and open all rows"],
  ["p o", "Close and open one level"],
  ["+ − 0", "Zoom in, out, and back to the whole trace; double-click zooms to a span"],
  ["?", "This help"],
];
