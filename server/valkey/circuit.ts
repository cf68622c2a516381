/** Thrown instead of asking a service that is known to be away. */
export class CircuitOpenError extends Error {
  override readonly name = "CircuitOpenError";
  readonly code = "CIRCUIT_OPEN";
}

export interface CircuitOptions {
  /** Words for the error, e.g. `valkey`. */
  readonly name: string;
  /** Is this failure the service's, so that the next call would fail as well? */
  readonly isAway: (error: unknown) => boolean;
  /** Asks whether the service works again. Runs in the background, never for a caller. */
  readonly probe: () => Promise<unknown>;
  /** From the end of one probe to the next. */
  readonly probeEveryMs: number;
  /** Called in the context of the call that failed first. */
  readonly onOpen?: (error: unknown) => void;
  readonly onClose?: (openMs: number) => void;
}

/**
 * Spares callers the wait for a service that is away: the first failure opens it, after which every
 * call is refused at once, until a probe in the background succeeds.
 */
export interface Circuit {
  /**
   * Makes the call unless the circuit is open.
   * @throws CircuitOpenError at once when it is; else what the call rejects with.
   */
  readonly call: <T>(work: () => Promise<T>) => Promise<T>;
  readonly isOpen: () => boolean;
  /** Probes now instead of at the next turn; nothing happens while it is closed. */
  readonly hurry: () => void;
  /** Ends the probing; the state stays. */
  readonly stop: () => void;
}

/** Makes a {@link Circuit}, closed. */
export function createCircuit(options: CircuitOptions): Circuit {
  const { name, isAway, probe, probeEveryMs, onOpen, onClose } = options;
  let openedAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let probing = false;
  let stopped = false;

  function open(error: unknown): void {
    if (openedAt !== undefined || stopped) return;
    openedAt = performance.now();
    onOpen?.(error);
    probeLater();
  }

  function probeLater(): void {
    clearTimeout(timer);
    timer = setTimeout(() => void probeNow(), probeEveryMs).unref();
  }

  async function probeNow(): Promise<void> {
    if (probing || stopped || openedAt === undefined) return;
    probing = true;
    clearTimeout(timer);
    const works = await probe().then(
      () => true,
      () => false,
    );
    probing = false;
    if (stopped || openedAt === undefined) return;
    if (!works) {
      probeLater();
      return;
    }
    const openMs = performance.now() - openedAt;
    openedAt = undefined;
    onClose?.(openMs);
  }

  return {
    async call(work) {
      if (openedAt !== undefined) throw new CircuitOpenError(`${name} is away, not asked`);
      try {
        return await work();
      } catch (error) {
        if (isAway(error)) open(error);
        throw error;
      }
    },
    isOpen: () => openedAt !== undefined,
    hurry: () => void probeNow(),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
