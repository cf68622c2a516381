import { keep, kept } from "./kept.ts";

/** Which share of a width a part gets: chosen with a splitter, kept on this machine. */
export class Share {
  readonly #key: string;
  readonly usual: number;
  readonly least: number;
  readonly most: number;
  #value = $state(0);

  constructor(
    key: string,
    bounds: { readonly usual: number; readonly least: number; readonly most: number },
  ) {
    this.#key = key;
    this.usual = bounds.usual;
    this.least = bounds.least;
    this.most = bounds.most;
    const before = kept(key);
    this.#value = this.#clamped(before === null ? Number.NaN : Number(before));
  }

  /** From `least` to `most`. */
  get value(): number {
    return this.#value;
  }

  set value(value: number) {
    this.#value = this.#clamped(value);
    keep(this.#key, String(this.#value));
  }

  #clamped(value: number): number {
    return Number.isNaN(value) ? this.usual : Math.min(Math.max(value, this.least), this.most);
  }
}

/** Of the waterfall's rows: the names, beside the bars. */
export const namesShare = new Share("lab.names-share", { usual: 0.38, least: 0.15, most: 0.75 });
/** Of the waterfall: its rows, beside the details of a span. */
export const rowsShare = new Share("lab.rows-share", { usual: 0.66, least: 0.3, most: 0.85 });
