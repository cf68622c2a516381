/**
 * One call at a time for many that ask at once: what comes while one runs goes together into the
 * next. A call for several that fails is repeated for each, so that each hears of its own failure.
 */
export function gather<T>(
  work: (items: readonly T[]) => Promise<void>,
): (item: T) => Promise<void> {
  let waiting: { readonly item: T; readonly done: PromiseWithResolvers<void> }[] = [];
  let running = false;
  const run = async (): Promise<void> => {
    running = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await work(batch.map(({ item }) => item));
        for (const { done } of batch) done.resolve();
      } catch (error) {
        if (batch.length === 1) batch[0]?.done.reject(error);
        else for (const { item, done } of batch) await work([item]).then(done.resolve, done.reject);
      }
    }
    running = false;
  };
  return (item) => {
    const done = Promise.withResolvers<void>();
    waiting.push({ item, done });
    // Those that ask in the same moment go together from the first.
    if (!running) {
      running = true;
      queueMicrotask(() => void run());
    }
    return done.promise;
  };
}
