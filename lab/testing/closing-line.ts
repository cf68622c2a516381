/** How many tests ended how. A file that failed to load, or a runner that crashed, counts as one failed. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noTests: Counts = { passed: 0, failed: 0, skipped: 0 };

export const sum = (parts: readonly Counts[]): Counts =>
  parts.reduce(
    (all, part) => ({
      passed: all.passed + part.passed,
      failed: all.failed + part.failed,
      skipped: all.skipped + part.skipped,
    }),
    noTests,
  );

/** The last line of every test run, for people and for CI: `12 passed, 0 failed, 1 skipped`. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped > 0 ? `${line}, ${skipped} skipped` : line;
}

/** Nothing run is no success. */
export const succeeded = ({ passed, failed }: Counts): boolean => failed === 0 && passed > 0;
