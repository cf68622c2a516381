/** One figure: what was measured, its value with unit, and the bound it is held against. */
export interface Figure {
  readonly what: string;
  readonly value: string;
  /** Bound that must hold, and the one aimed for, e.g. `≤ 3 s (aim 1.5 s)`. */
  readonly bound?: string;
  /** Runs or requests behind the value. */
  readonly samples: number;
}

/** One file in `lab/bench/` = one benchmark: `npm run bench -- <id>`. */
export interface Benchmark {
  readonly id: string;
  readonly title: string;
  readonly run: () => Promise<readonly Figure[]>;
}
