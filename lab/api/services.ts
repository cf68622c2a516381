import * as v from "valibot";
import { serviceIds } from "../services/ids.ts";

/**
 * Where a service is in its life. `waiting`: for a dependency. `unavailable`: no provider works
 * here. `crash-looping`: no more tries until somebody restarts it.
 */
export const serviceStateSchema = v.picklist([
  "waiting",
  "preparing",
  "starting",
  "ready",
  "backing-off",
  "crash-looping",
  "stopping",
  "stopped",
  "unavailable",
]);
export type ServiceState = v.InferOutput<typeof serviceStateSchema>;

export const serviceStatusSchema = v.object({
  id: v.picklist(serviceIds),
  title: v.string(),
  /** What it is for, in one line. */
  role: v.string(),
  state: serviceStateSchema,
  kind: v.picklist(["real", "stand-in", "absent"]),
  /** What it really is, e.g. `18.4 (npm)`. */
  version: v.nullable(v.string()),
  url: v.nullable(v.string()),
  port: v.nullable(v.number()),
  pid: v.nullable(v.number()),
  /** When the present process was spawned. */
  startedAt: v.nullable(v.number()),
  /** From spawn (or preparation) to ready. */
  startMs: v.nullable(v.number()),
  restarts: v.number(),
  /** How its last process ended, 128 + n for signal n; null while none has ended. */
  exitCode: v.nullable(v.number()),
  /** Long step under way, e.g. `seeding orders`, with its share done from 0 to 1. */
  progress: v.nullable(v.object({ step: v.string(), done: v.number() })),
  /** The container it runs in, where it runs in one. */
  container: v.optional(
    v.object({
      name: v.string(),
      image: v.string(),
      /** Of the image: `sha256:…`; null for one that never was in a registry. */
      digest: v.nullable(v.string()),
      /** What its own check says; null where the image has nothing to check with. */
      health: v.nullable(v.picklist(["starting", "healthy", "unhealthy"])),
      /** In use, without what the kernel could drop; null before the first look. */
      memoryBytes: v.nullable(v.number()),
      memoryLimitBytes: v.nullable(v.number()),
    }),
  ),
  /** Why it is not ready, or what to know about it. */
  note: v.nullable(v.string()),
});
export type ServiceStatus = v.InferOutput<typeof serviceStatusSchema>;
export type ServiceAction = "restart" | "stop" | "start";

export interface StatusBody {
  readonly runtime: "embedded" | "compose";
  readonly version: string;
  readonly origin: string;
  readonly startedAt: number;
  readonly services: readonly ServiceStatus[];
}
/** `GET` {@link routes.serviceLog}, oldest first; query `lines` (1 to 2000, default 200). */
export interface ServiceLogBody {
  readonly lines: readonly string[];
}
/** Answer of a service action: the row after it. */
export interface ServiceBody {
  readonly service: ServiceStatus;
}
