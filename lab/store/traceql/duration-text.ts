const units = [
  ["h", 3600e9],
  ["m", 60e9],
] as const;

/** Nanoseconds as Go writes a duration and Tempo answers it: `486.422075ms`, `1m2.5s`. */
export function formatDuration(nanoseconds: number): string {
  const sign = nanoseconds < 0 ? "-" : "";
  let rest = Math.abs(Math.trunc(nanoseconds));
  if (rest === 0) return "0s";
  if (rest < 1e3) return `${sign}${rest}ns`;
  if (rest < 1e6) return `${sign}${rest / 1e3}µs`;
  if (rest < 1e9) return `${sign}${rest / 1e6}ms`;
  let text = "";
  for (const [unit, size] of units) {
    if (rest < size && text === "") continue;
    text += `${Math.floor(rest / size)}${unit}`;
    rest %= size;
  }
  return `${sign}${text}${rest / 1e9}s`;
}
