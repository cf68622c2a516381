import { setTimeout as delay } from "node:timers/promises";

const atOnce = 4;
/** What is on its way, e.g. through a queue, may take so long on a busy machine. */
const patience = { withinMs: 15_000, everyMs: 500 } as const;

/**
 * What still differs when there was time for it to arrive. Only what differed is looked at again.
 * @param differenceOf what is wrong with one of them; undefined when nothing is.
 */
export async function lastingDifferences<T>(
  things: readonly T[],
  differenceOf: (thing: T) => Promise<string | undefined>,
  { withinMs, everyMs }: { readonly withinMs: number; readonly everyMs: number } = patience,
): Promise<readonly string[]> {
  const until = performance.now() + withinMs;
  for (let left = things; ; await delay(everyMs)) {
    const differing: { readonly thing: T; readonly difference: string }[] = [];
    for (let first = 0; first < left.length; first += atOnce)
      await Promise.all(
        left.slice(first, first + atOnce).map(async (thing) => {
          const difference = await differenceOf(thing);
          if (difference !== undefined) differing.push({ thing, difference });
        }),
      );
    if (differing.length === 0 || performance.now() > until)
      return differing.map(({ difference }) => difference);
    left = differing.map(({ thing }) => thing);
  }
}
