import { compareBytes } from "./storage.ts";

/** One page of a listing: keys and, with a delimiter, the prefixes that stand for several keys. */
export interface Page {
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  /** Where the next page begins: after this key or prefix. Undefined: nothing is left. */
  readonly next: string | undefined;
}

/**
 * @param sorted keys in the order of their bytes.
 * @param after listing begins behind this key or prefix.
 */
export function listPage(
  sorted: readonly string[],
  options: {
    readonly prefix: string;
    readonly delimiter: string;
    readonly after: string;
    readonly most: number;
    /** Leaves a key out, e.g. one that is deleted. */
    readonly shown: (key: string) => boolean;
  },
): Page {
  const { prefix, delimiter, after, most, shown } = options;
  const keys: string[] = [];
  const prefixes: string[] = [];
  let last: string | undefined;
  for (
    let index = lowerBound(sorted, compareBytes(after, prefix) > 0 ? after : prefix);
    index < sorted.length;
    index++
  ) {
    const key = sorted[index] as string;
    if (!key.startsWith(prefix)) break;
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const group = cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
    const entry = group ?? key;
    if (entry === last || (compareBytes(entry, after) <= 0 && after !== "") || !shown(key))
      continue;
    if (keys.length + prefixes.length >= most)
      return { keys, prefixes, next: most === 0 ? undefined : last };
    if (group === undefined) keys.push(key);
    else prefixes.push(group);
    last = entry;
  }
  return { keys, prefixes, next: undefined };
}

/** First index whose key is not before `key`. */
function lowerBound(sorted: readonly string[], key: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(sorted[middle] as string, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
