import * as v from "valibot";

/** What the page shows of a Sentry event; everything else of it stays in the raw JSON. */
const frame = v.object({
  filename: v.optional(v.nullable(v.string())),
  function: v.optional(v.nullable(v.string())),
  lineno: v.optional(v.nullable(v.number())),
  colno: v.optional(v.nullable(v.number())),
  in_app: v.optional(v.nullable(v.boolean())),
});
const exception = v.object({
  type: v.optional(v.nullable(v.string())),
  value: v.optional(v.nullable(v.string())),
  mechanism: v.optional(
    v.nullable(
      v.object({ type: v.optional(v.string()), handled: v.optional(v.nullable(v.boolean())) }),
    ),
  ),
  stacktrace: v.optional(v.nullable(v.object({ frames: v.optional(v.array(frame), []) }))),
});
const breadcrumb = v.object({
  timestamp: v.optional(v.union([v.number(), v.string()])),
  category: v.optional(v.string()),
  level: v.optional(v.string()),
  message: v.optional(v.nullable(v.string())),
  data: v.optional(v.unknown()),
});
const event = v.object({
  event_id: v.optional(v.string()),
  platform: v.optional(v.string()),
  transaction: v.optional(v.nullable(v.string())),
  exception: v.optional(v.object({ values: v.optional(v.array(exception), []) })),
  breadcrumbs: v.optional(
    v.union([v.array(breadcrumb), v.object({ values: v.optional(v.array(breadcrumb), []) })]),
  ),
  tags: v.optional(v.record(v.string(), v.unknown())),
});

export type SentryFrame = v.InferOutput<typeof frame>;
export interface SentryEvent {
  readonly eventId: string | null;
  readonly platform: string;
  readonly transaction: string | null;
  /** Newest cause first, as Sentry shows them; frames innermost first. */
  readonly exceptions: readonly {
    readonly type: string;
    readonly value: string;
    readonly mechanism: string | null;
    readonly handled: boolean | null;
    readonly frames: readonly SentryFrame[];
  }[];
  /** Oldest first. */
  readonly breadcrumbs: readonly { readonly category: string; readonly message: string }[];
  readonly tags: readonly (readonly [string, string])[];
}

/** Reads an event's payload; undefined when it is none. */
export function sentryEvent(payload: unknown): SentryEvent | undefined {
  const parsed = v.safeParse(event, payload);
  if (!parsed.success) return undefined;
  const { output } = parsed;
  const { breadcrumbs = [] } = output;
  const listed = Array.isArray(breadcrumbs) ? breadcrumbs : breadcrumbs.values;
  return {
    eventId: output.event_id ?? null,
    platform: output.platform ?? "",
    transaction: output.transaction ?? null,
    exceptions: (output.exception?.values ?? []).toReversed().map((one) => ({
      type: one.type ?? "Error",
      value: one.value ?? "",
      mechanism: one.mechanism?.type ?? null,
      handled: one.mechanism?.handled ?? null,
      frames: (one.stacktrace?.frames ?? []).toReversed(),
    })),
    breadcrumbs: listed.map((one) => ({
      category: one.category ?? "",
      message: one.message ?? (one.data === undefined ? "" : JSON.stringify(one.data)),
    })),
    tags: Object.entries(output.tags ?? {}).map(([key, value]) => [key, String(value)] as const),
  };
}
