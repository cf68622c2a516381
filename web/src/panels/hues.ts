const fixed: Readonly<Record<string, string>> = {
  "lab-web": "var(--hue-violet)",
  "lab-server": "var(--hue-blue)",
  "lab-cli": "var(--hue-magenta)",
  postgresql: "var(--hue-teal)",
  redis: "var(--hue-olive)",
};
const others = ["--hue-cyan", "--hue-indigo", "--hue-magenta", "--hue-olive", "--hue-slate"];

/** Colour of a service or data store: the same in every trace. */
export function hueOf(key: string): string {
  const known = fixed[key];
  if (known !== undefined) return known;
  let sum = 0;
  for (const letter of key) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65_521;
  return `var(${others[sum % others.length]})`;
}
