/** Keeps a thread awake for a moment after traffic, where that spares it a sleep. */
export interface Polling {
  /** Something came through. */
  readonly traffic: () => void;
}

/** Longer quiet times are slept through. Being woken takes about 50 µs of it between the cores of a virtual machine. */
const quietMs = 0.15;

/**
 * Halt polling (https://docs.kernel.org/virt/kvm/halt-polling.html) for an event loop. Between two
 * short messages a thread sleeps and is woken, which takes longer than to pass both on. It stays awake
 * only after two messages that came close upon each other: slow queries and a busy machine let it sleep.
 * @param now in milliseconds.
 * @param later calls back when what has come meanwhile was handled, and keeps the thread awake until then.
 */
export function openPolling(
  now: () => number = () => performance.now(),
  later: (turn: () => void) => void = setImmediate,
): Polling {
  let cameAt = Number.NEGATIVE_INFINITY;
  let awake = false;

  const turn = (): void => {
    awake = now() - cameAt < quietMs;
    if (awake) later(turn);
  };

  return {
    traffic: () => {
      const at = now();
      const close = at - cameAt < quietMs;
      cameAt = at;
      if (!close || awake) return;
      awake = true;
      later(turn);
    },
  };
}
