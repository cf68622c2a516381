import * as v from "valibot";
import { traceIdSchema } from "./ids.ts";

const modeSchema = v.picklist(["fault", "control", "fix"]);
const paramValueSchema = v.union([v.number(), v.string(), v.boolean()]);

export const observationSchema = v.object({
  driver: v.picklist(["lab-web", "lab-cli"]),
  /** Trace the driver's root span belongs to. */
  traceId: v.optional(traceIdSchema),
  /** What the scenario request answered. `status` 0: the connection broke. */
  answer: v.optional(
    v.object({
      status: v.number(),
      durationMs: v.number(),
      error: v.optional(v.pipe(v.string(), v.maxLength(500))),
    }),
  ),
  /** What a stage saw, by name. */
  page: v.optional(v.record(v.pipe(v.string(), v.maxLength(60)), paramValueSchema)),
  /** The driver's root span has ended: nothing more is to be expected from it. */
  ended: v.optional(v.boolean()),
});
export type Observation = v.InferOutput<typeof observationSchema>;

/** A name that a page or a program gives itself, new each time. */
export const clientSchema = v.pipe(v.string(), v.regex(/^[\w-]{16,64}$/));

/** Whose word counts when a run is judged: the store's, or that of the backends a team would look into. */
export const judgeChoices = ["store", "backends"] as const;
export type JudgeChoice = (typeof judgeChoices)[number];

/** `waitMs` of what a person starts: longer than runs take to settle, those that restart a service included. */
export const waitForOthersMs = 20_000;
/** `waitMs` where nobody sits and waits: also for several runs, one after the other. */
export const longWaitForOthersMs = 60_000;

export const createRunSchema = v.strictObject({
  scenario: v.string(),
  mode: v.optional(modeSchema, "fault"),
  params: v.optional(v.record(v.string(), paramValueSchema), {}),
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff))),
  /** It is about the checks, not about the scenario: its verdict does not count as the scenario's. */
  selfTest: v.optional(v.boolean()),
  /** Whose word counts. Default: what the lab was started with. */
  judge: v.optional(v.picklist(judgeChoices)),
  /** Of whoever drives it: the `client` of an event stream of its own. Once that is gone, so is the run. */
  client: v.optional(clientSchema),
  /**
   * How long it may wait, in ms, before it is refused: for what another run holds, for a place among
   * those that are driven, for a service that is on its way back.
   */
  waitMs: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(longWaitForOthersMs)),
    0,
  ),
});
export type CreateRun = v.InferInput<typeof createRunSchema>;

export interface CreatedRun {
  readonly runId: string;
  readonly ticket: string;
  readonly drive: {
    readonly method: "POST";
    readonly path: string;
    /** The driver closes the connection so long after it was asked, without an answer. */
    readonly leaveAfterMs?: number;
  };
  /** The driver has to mount the scenario's stage instead of, or besides, calling `drive`. */
  readonly stage: boolean;
}
