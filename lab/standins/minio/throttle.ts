import * as v from "valibot";
import { headerOf, type S3Request } from "./request.ts";

const longestMs = 60_000;
const mostRules = 100;

/** Which calls are refused with `SlowDown`: those of one run, told by the baggage on their requests. */
const ruleSchema = v.strictObject({
  runId: v.pipe(v.string(), v.regex(/^\w{1,64}$/)),
  /** Of each call, attempts up to this one are refused. */
  attempts: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10)),
  /** Share of the run's calls, spread evenly. */
  percent: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)),
  /** The rule ends by itself after this long. */
  forMs: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(longestMs)),
});
export type ThrottleRule = v.InferOutput<typeof ruleSchema>;

/**
 * A refusal on purpose. It is kept in memory, belongs to one run and ends by itself, so that neither
 * a crash nor a forgotten run leaves the storage throttled.
 */
export interface Throttle {
  /** False: no valid rule, or too many. */
  readonly arm: (rule: unknown) => boolean;
  readonly disarm: (runId: string) => void;
  readonly refuses: (request: S3Request) => boolean;
}

export function openThrottle(now: () => number): Throttle {
  interface Armed {
    readonly rule: ThrottleRule;
    readonly endsAt: number;
    /** Calls seen so far: id → refused or not. */
    readonly calls: Map<string, boolean>;
  }
  const rules = new Map<string, Armed>();
  return {
    arm(given) {
      const parsed = v.safeParse(ruleSchema, given);
      for (const [runId, { endsAt }] of rules) if (endsAt <= now()) rules.delete(runId);
      if (!parsed.success || rules.size >= mostRules) return false;
      const rule = parsed.output;
      rules.set(rule.runId, { rule, endsAt: now() + rule.forMs, calls: new Map() });
      return true;
    },
    disarm: (runId) => void rules.delete(runId),
    refuses(request) {
      if (rules.size === 0) return false;
      const runId = /(?:^|,)\s*lab\.run\.id=(\w+)/.exec(headerOf(request, "baggage") ?? "")?.[1];
      const armed = runId === undefined ? undefined : rules.get(runId);
      if (armed === undefined || armed.endsAt <= now()) return false;
      const { rule, calls } = armed;
      // The SDK tells which attempt this is, and gives all attempts of one call the same id.
      const attempt = Number(
        /attempt=(\d+)/.exec(headerOf(request, "amz-sdk-request") ?? "")?.[1] ?? 1,
      );
      const call = headerOf(request, "amz-sdk-invocation-id") ?? `${calls.size}`;
      const refused =
        calls.get(call) ?? share(calls.size + 1, rule.percent) > share(calls.size, rule.percent);
      if (calls.size < 10_000) calls.set(call, refused);
      return refused && attempt <= rule.attempts;
    },
  };
}

const share = (calls: number, percent: number): number => Math.floor((calls * percent) / 100);
