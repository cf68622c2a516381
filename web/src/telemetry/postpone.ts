/** Whether the page is seen, as `document` and `window` tell it. */
export interface Visibility {
  readonly isHidden: () => boolean;
  /** Calls back whenever the page was hidden, before those who send what is left. */
  readonly onHidden: (listener: () => void) => void;
}

/** In the capture phase: whoever listens to the same event later can send what the work led to. */
export const pageVisibility: Visibility = {
  isHidden: () => document.visibilityState === "hidden",
  onHidden: (listener) => {
    addEventListener(
      "visibilitychange",
      () => {
        if (document.visibilityState === "hidden") listener();
      },
      { capture: true },
    );
  },
};

/**
 * Gives a function that puts work off for `ms`, so that it does not compete with what the visitor is
 * doing. A hidden page may be gone in a moment: it does its work at once, what was put off included.
 */
export function postponing(ms: number, visibility: Visibility): (work: () => void) => void {
  const waiting = new Set<() => void>();
  visibility.onHidden(() => {
    for (const now of [...waiting]) now();
  });
  return (work) => {
    if (visibility.isHidden()) {
      work();
      return;
    }
    const once = (): void => {
      if (waiting.delete(once)) work();
    };
    waiting.add(once);
    setTimeout(once, ms);
  };
}
