/** Clocks that differ by more are wrong. */
const dayNs = 86_400e9;

/** Whether a time lies more than a day from when it arrived; both in nanoseconds since the same moment. */
export const isFarOff = (time: number, arrived: number): boolean =>
  !(Math.abs(time - arrived) <= dayNs);
