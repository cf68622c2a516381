import type { Evidence } from "#lab/judge/evidence.ts";

/** A defect of instrumentation, made by hand in the evidence of a run that was right. */
export interface Mutant {
  readonly id: string;
  readonly title: string;
  /** Undefined where the evidence has nothing that could be broken in this way. */
  readonly apply: (evidence: Evidence) => Evidence | undefined;
}
