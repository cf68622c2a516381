/** The values of work that has ended, in its order. @throws what the first that failed failed with. */
export const allFulfilled = <T>(outcomes: readonly PromiseSettledResult<T>[]): readonly T[] =>
  outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
