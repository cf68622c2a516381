/** Longest time the page is kept from painting while it works in slices. */
const sliceMs = 8;

/** Works for so many milliseconds at a stretch. Returns how often it went round. */
export function atOnce(ms: number): number {
  const until = performance.now() + ms;
  let rounds = 0;
  while (performance.now() < until) rounds++;
  return rounds;
}

/** The same work with the page given a chance to paint after every slice. */
export async function inSlices(ms: number): Promise<number> {
  let rounds = 0;
  for (let left = ms; left > 0; left -= sliceMs) {
    // Given way first: the frame of the click comes before any work.
    await new Promise((resolve) => setTimeout(resolve, 0));
    rounds += atOnce(Math.min(sliceMs, left));
  }
  return rounds;
}
