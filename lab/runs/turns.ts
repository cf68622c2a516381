import { EventEmitter, once } from "node:events";

/** Lets those wait who cannot begin yet. */
export interface Turns {
  /** Something has changed that somebody may wait for. */
  readonly moved: () => void;
  /**
   * Attempts, and after a refusal that passes once more each time something has moved.
   * @param until ends the waiting: then the last refusal is thrown.
   */
  readonly take: <T>(
    attempt: () => Promise<T>,
    passes: (refusal: unknown) => boolean,
    until: AbortSignal,
  ) => Promise<T>;
}

export function openTurns(): Turns {
  const moves = new EventEmitter();
  // Everybody who waits listens.
  moves.setMaxListeners(0);
  return {
    moved: () => void moves.emit("move"),
    async take(attempt, passes, until) {
      for (;;) {
        const over = new AbortController();
        // Before the attempt, or a move between the refusal and the waiting would be missed.
        const move = once(moves, "move", { signal: AbortSignal.any([until, over.signal]) }).then(
          () => true,
          () => false,
        );
        try {
          return await attempt();
        } catch (refusal) {
          if (!passes(refusal) || !(await move)) throw refusal;
        } finally {
          over.abort();
        }
      }
    },
  };
}
