import type { Evidence } from "../judge/evidence.ts";

/** Evidence of runs that have ended, for judging them again. */
export interface KeptEvidence {
  readonly add: (runId: string, evidence: Evidence) => void;
  /** As JSON; undefined when it was never kept or had to go. */
  readonly get: (runId: string) => string | undefined;
}

const limits = { runs: 50, characters: 64 * 1024 * 1024 };

/** Keeps that of the last 50 runs, and less of them when they are large; the oldest goes first. */
export function keepEvidence(most: typeof limits = limits): KeptEvidence {
  const texts = new Map<string, string>();
  let characters = 0;
  const drop = (runId: string): void => {
    characters -= texts.get(runId)?.length ?? 0;
    texts.delete(runId);
  };
  return {
    add: (runId, evidence) => {
      const text = JSON.stringify(evidence);
      drop(runId);
      texts.set(runId, text);
      characters += text.length;
      for (const oldest of texts.keys()) {
        if (texts.size <= most.runs && characters <= most.characters) break;
        drop(oldest);
      }
    },
    get: (runId) => texts.get(runId),
  };
}
