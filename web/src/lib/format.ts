const units = [
  { ms: 1e-6, name: "ns" },
  { ms: 1e-3, name: "µs" },
  { ms: 1, name: "ms" },
  { ms: 1000, name: "s" },
] as const;

/** A duration with three significant digits: `842 µs`, `12.3 ms`, `1.20 s`, `2 m 5 s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0 ms";
  if (!Number.isFinite(ms)) return "–";
  if (ms < 0) return `−${formatDuration(-ms)}`;
  const seconds = Math.round(ms / 1000);
  if (seconds >= 86_400)
    return `${Math.floor(seconds / 86_400)} d ${Math.floor(seconds / 3600) % 24} h`;
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} m`;
  if (seconds >= 60) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  let unit: (typeof units)[number] = units[0];
  // 999.6 µs rounds to 1000, which is 1.00 ms.
  for (const larger of units) if (Number((ms / larger.ms).toPrecision(3)) >= 1) unit = larger;
  return `${digits(ms / unit.ms)} ${unit.name}`;
}

/** Three significant digits and no exponent. */
function digits(value: number): string {
  const rounded = Number(value.toPrecision(3));
  return rounded >= 100
    ? rounded.toFixed(0)
    : rounded >= 10
      ? rounded.toFixed(1)
      : rounded.toFixed(2);
}

/** A duration of which only whole milliseconds are known: no digits are made up. */
export const formatWholeMs = (ms: number): string =>
  ms < 1 ? "< 1 ms" : ms < 1000 ? `${Math.floor(ms)} ms` : formatDuration(ms);

/**
 * A moment on a time axis whose ticks are `stepMs` apart, the last at `lastMs`: as many decimals as
 * tell them apart, in the larger unit where two of them suffice.
 */
export function formatTick(ms: number, stepMs: number, lastMs = stepMs): string {
  if (ms === 0) return "0";
  const fits = (unitMs: number): boolean => lastMs >= unitMs && stepMs >= unitMs / 100;
  const unit = fits(1000) ? units[3] : fits(1) || stepMs >= 0.1 ? units[2] : units[1];
  const decimals = Math.max(0, -Math.floor(Math.log10(stepMs / unit.ms) + 1e-9));
  return `${(ms / unit.ms).toFixed(Math.min(decimals, 3))} ${unit.name}`;
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** Local time of day, with the date when it is another day than `now`. Milliseconds since the epoch. */
export function formatTime(at: number, now: number): string {
  const date = new Date(at);
  const time = clock.format(date);
  return date.toDateString() === new Date(now).toDateString()
    ? time
    : `${day.format(date)}, ${time}`;
}

/** The same moment in UTC, for the tooltip. */
export const formatUtc = (at: number): string => new Date(at).toISOString();

const counts = new Intl.NumberFormat("en-US");
/** `12,345`. */
export const formatNumber = (value: number): string => counts.format(value);

/** `12,345 spans`, `1 span`. */
export const formatCount = (count: number, noun: string): string =>
  `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;

/** How often something happens, in the unit that shows it best: `2.4/s`, `18.0/min`, `3/h`. */
export function formatRate(perSecond: number): string {
  if (perSecond >= 0.1) return `${perSecond.toFixed(1)}/s`;
  if (perSecond * 60 >= 1) return `${(perSecond * 60).toFixed(1)}/min`;
  return `${Math.round(perSecond * 3600)}/h`;
}
