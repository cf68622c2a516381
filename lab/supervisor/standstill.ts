/** A service that can be made to stand still and go on. */
export interface Standstill {
  /** Resolves once it stands. Idempotent; rejects with what `stop` rejects with, and may be tried again. */
  readonly hold: (stop: () => Promise<() => void>) => Promise<void>;
  /** Lets it go on, at once or when it stands; harmless where it does not. */
  readonly release: () => void;
  readonly isHeld: () => boolean;
}

export function openStandstill(): Standstill {
  let held: Promise<() => void> | undefined;
  return {
    hold: async (stop) => {
      held ??= stop().catch((error: unknown) => {
        held = undefined;
        throw error;
      });
      await held;
    },
    release: () => {
      void held?.then(
        (goOn) => goOn(),
        () => {},
      );
      held = undefined;
    },
    isHeld: () => held !== undefined,
  };
}
