import { type Context, createContextKey } from "@opentelemetry/api";

/**
 * How traces that begin in a context are sampled. `head` decides at the root, before anything is
 * known; `tail` when the root has ended, and keeps every trace with a failed span.
 */
export interface SamplingPolicy {
  readonly decided: "head" | "tail";
  /** Share of traces that are kept, from 0 to 1. */
  readonly ratio: number;
}

const key = createContextKey("lab sampling policy");

/**
 * A context whose new traces follow `policy`. Context never travels between processes, so neither
 * another run nor a stranger can be touched by it.
 */
export const withSampling = (context: Context, policy: SamplingPolicy): Context =>
  context.setValue(key, policy);

/** The policy of a context; undefined where everything is kept. */
export const samplingOf = (context: Context): SamplingPolicy | undefined =>
  context.getValue(key) as SamplingPolicy | undefined;
