/** A time in two parts, because nanoseconds since the epoch do not fit a number. */
export interface Moment {
  readonly seconds: number;
  readonly nanos: number;
}

/** Reads OTLP's decimal nanoseconds; what is none becomes the epoch. */
export const momentOf = (text: string): Moment =>
  /^\d{1,20}$/.test(text)
    ? { seconds: Number(text.slice(0, -9)), nanos: Number(text.slice(-9)) }
    : { seconds: 0, nanos: 0 };

/** Exact for moments less than a hundred days apart. */
export const nanosecondsBetween = (from: Moment, to: Moment): number =>
  (to.seconds - from.seconds) * 1e9 + (to.nanos - from.nanos);
