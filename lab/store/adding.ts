import type { TraceGrowth } from "./growth.ts";
import type { Tables } from "./indexing.ts";
import type { InternedText } from "./interned-text.ts";
import type { RunMemberships } from "./run-memberships.ts";
import type { ScanGroups } from "./scan-group.ts";

/** What adding a record's rows works on. */
export interface Adding
  extends Pick<
    Tables,
    "traces" | "spans" | "spanGroups" | "logs" | "logGroups" | "names" | "services" | "base"
  > {
  readonly memberships: RunMemberships;
  readonly growth: TraceGrowth;
  readonly counts: { spans: number; logs: number; farOff: number; farOffLogs: number };
}

/** Number of the service that a group names. */
export const serviceOf =
  (services: InternedText, view: DataView, groups: ScanGroups) =>
  (group: number): number =>
    services.intern(
      view,
      groups.serviceOffset[group] as number,
      groups.serviceLength[group] as number,
    );
