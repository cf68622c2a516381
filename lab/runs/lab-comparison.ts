/** Looks at whether a run left the lab as it was. */
export interface LabComparison {
  /** What differs, in words; undefined while that is not known. */
  readonly different: () => readonly string[] | undefined;
  /** Looks, or looks again a moment later: what goes back by itself gets time for it. */
  readonly look: () => void;
  readonly close: () => void;
}

/** Between two looks, in milliseconds. */
const againAfterMs = 150;

/**
 * @param compare what is not as it was; a lab that nobody compares is as it was.
 * @param onKnown told after each look.
 */
export function openLabComparison(
  compare: (() => Promise<readonly string[]>) | undefined,
  onKnown: () => void,
): LabComparison {
  let different: readonly string[] | undefined = compare === undefined ? [] : undefined;
  let waitMs = 0;
  let underWay = false;
  let timer: NodeJS.Timeout | undefined;

  async function lookNow(): Promise<void> {
    different = await compare?.();
    underWay = false;
    onKnown();
  }

  return {
    different: () => (underWay ? undefined : different),
    look: () => {
      if (underWay) return;
      underWay = true;
      timer = setTimeout(() => void lookNow(), waitMs).unref();
      waitMs = againAfterMs;
    },
    close: () => clearTimeout(timer),
  };
}
