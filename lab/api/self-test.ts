/** What a self-test found of a mutant: `none` where a scenario leaves nothing that it could break. */
export type MutantOutcome = "caught" | "missed" | "none";
export interface MutantRow {
  readonly id: string;
  readonly title: string;
  /** By scenario; not there where it was not tried. */
  readonly cells: Readonly<Record<string, MutantOutcome>>;
  /** `missed`: no scenario noticed, though one left something to break. */
  readonly outcome: MutantOutcome;
}
/** Positions of the fault's expectations that a control run fails, as it should, and that it meets too. */
export interface ControlOutcome {
  readonly failed: readonly number[];
  readonly met: readonly number[];
}
export interface SelfTestMatrix {
  /** Made by hand in recorded evidence. */
  readonly mutants: readonly MutantRow[];
  /** Switched on in the running app. */
  readonly live: readonly MutantRow[];
  /** By scenario. */
  readonly control: Readonly<Record<string, ControlOutcome | null>>;
  /** Checks that failed on no mutant and in no other mode, by scenario: they cannot fail. */
  readonly vacuous: Readonly<Record<string, readonly number[]>>;
}
/** `GET` {@link routes.selfTest}: the last one of the whole catalogue; null when there was none. */
export interface SelfTestBody {
  readonly selfTest: {
    /** When it ended, in milliseconds since the epoch. */
    readonly at: number;
    readonly durationMs: number;
    /** Of the order in which scenarios were run. */
    readonly seed: number;
    readonly runs: number;
    readonly matrix: SelfTestMatrix;
  } | null;
}
