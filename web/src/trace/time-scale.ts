/** A stretch of a trace, in milliseconds from its start. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

const minWindowMs = 0.001;

/** The whole trace, never empty. */
export const wholeOf = (durationMs: number): Window => ({
  fromMs: 0,
  toMs: Math.max(durationMs, minWindowMs),
});

/** Share of the window, 0 at its start and 1 at its end; outside it below 0 or above 1. */
export const shareOf = ({ fromMs, toMs }: Window, atMs: number): number =>
  (atMs - fromMs) / (toMs - fromMs);

/** A stretch as CSS lengths within the window, cut at its edges; undefined when it lies outside. */
export function placeOf(
  window: Window,
  stretch: Window,
): { readonly left: string; readonly width: string; readonly right: string } | undefined {
  const from = shareOf(window, stretch.fromMs);
  const to = shareOf(window, stretch.toMs);
  if (to < 0 || from > 1) return undefined;
  const left = Math.max(from, 0);
  const right = Math.min(to, 1);
  return { left: percent(left), width: percent(right - left), right: percent(right) };
}

const percent = (share: number): string => `${share * 100}%`;

/** `window` moved and cut so that it lies within the trace. */
export function clampWindow({ fromMs, toMs }: Window, durationMs: number): Window {
  const whole = wholeOf(durationMs);
  const width = Math.min(Math.max(toMs - fromMs, minWindowMs), whole.toMs);
  const from = Math.min(Math.max(fromMs, 0), whole.toMs - width);
  return { fromMs: from, toMs: from + width };
}

/** Zooms by `factor` (below 1: closer) and keeps the moment at `share` of the window in place. */
export function zoom(window: Window, factor: number, share: number, durationMs: number): Window {
  const width = window.toMs - window.fromMs;
  const pivot = window.fromMs + width * share;
  const next = width * factor;
  return clampWindow(
    { fromMs: pivot - next * share, toMs: pivot + next * (1 - share) },
    durationMs,
  );
}

/** Round moments inside the window, at most `most` of them, evenly 1, 2 or 5 × 10ⁿ ms apart. */
export function ticks({ fromMs, toMs }: Window, most: number): readonly number[] {
  const rough = (toMs - fromMs) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((times) => times * power >= rough) ?? 10) * power;
  const first = Math.ceil(fromMs / step - 1e-9);
  const last = Math.floor(toMs / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
}
