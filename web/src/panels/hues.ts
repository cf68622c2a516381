const fixed: Readonly<Record<string, string>> = {
  "lab-web": "--hue-violet",
  "lab-server": "--hue-blue",
  "lab-cli": "--hue-magenta",
  postgresql: "--hue-teal",
  redis: "--hue-olive",
};
const free = ["--hue-cyan", "--hue-indigo", "--hue-magenta", "--hue-olive", "--hue-slate"];

/** CSS colour of each service and data store of a trace. */
export type Colours = ReadonlyMap<string, string>;

/**
 * Colours for the services and data stores of one trace: the lab's own always have the same, others
 * one chosen by their name, moved on where two of a trace would meet.
 */
export function coloursOf(keys: readonly string[]): Colours {
  const taken = new Set(keys.flatMap((key) => fixed[key] ?? []));
  return new Map(
    keys.map((key) => {
      const hue = fixed[key] ?? pick(key, taken);
      taken.add(hue);
      return [key, `var(${hue})`];
    }),
  );
}

function pick(key: string, taken: ReadonlySet<string>): string {
  let sum = 0;
  for (const letter of key) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65_521;
  const wish = sum % free.length;
  const order = [...free.slice(wish), ...free.slice(0, wish)];
  return order.find((hue) => !taken.has(hue)) ?? order[0] ?? "--hue-slate";
}
