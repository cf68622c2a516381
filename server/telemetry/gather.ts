/** Runs `action` once for all calls of the next `ms` milliseconds, at their end. */
export function gather(ms: number, action: () => void): () => void {
  let armed = false;
  return () => {
    if (armed) return;
    armed = true;
    setTimeout(() => {
      armed = false;
      action();
    }, ms).unref();
  };
}
