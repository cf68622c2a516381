import type { linkedServices, RunRecord } from "../api/runs.ts";
import type { ServiceStatus } from "../api/services.ts";
import type { System } from "../system.ts";

/** A program that can show telemetry: its base URL, or, in a sentence, why it shows nothing of a run any more. */
export type Place = { readonly at: string } | { readonly away: string };

type PlaceId = (typeof linkedServices)[number];

/** What else there is to look at a run with; absent: it never showed anything of it. */
export interface Places extends Readonly<Partial<Record<PlaceId, Place | undefined>>> {
  /** Of an organisation at Sentry, e.g. `https://my-shop.sentry.io`. */
  readonly sentryOrg?: string | undefined;
}

const titles: Readonly<Record<PlaceId, string>> = {
  grafana: "Grafana",
  tempo: "Tempo",
  loki: "Loki",
  prometheus: "Prometheus",
};

/** Where the run can be looked at now: services move, come and go between its time and ours. */
export function placesOf(
  { versions }: Pick<RunRecord, "versions">,
  system: Pick<System, "services" | "url">,
): Omit<Places, "sentryOrg"> {
  const rows = new Map(system.services().map((row) => [row.id, row]));
  const place = (id: PlaceId): Place | undefined => {
    const row = rows.get(id);
    // Records of earlier labs do not say what was there: what is here now is taken for it.
    const then = versions === undefined ? (row?.version ?? "") : versions[id];
    const url = system.url(id);
    if (id !== "grafana" && then === undefined) return undefined;
    const away = awayOf(id, then, row) ?? (url === undefined ? notNow(id) : undefined);
    if (away === undefined) return url === undefined ? undefined : { at: url };
    // Grafana keeps nothing of its own: one that came later shows a run as well.
    return then === undefined || versions === undefined ? undefined : { away };
  };
  return {
    grafana: place("grafana"),
    tempo: place("tempo"),
    loki: place("loki"),
    prometheus: place("prometheus"),
  };
}

/** @param then what it was at the time of the run. */
function awayOf(
  id: PlaceId,
  then: string | undefined,
  row: ServiceStatus | undefined,
): string | undefined {
  if (row === undefined || row.kind === "absent")
    return `${titles[id]} is not part of this lab now${isImage(then) ? ": the run was made in containers (npm run lab -- --runtime compose)" : ""}.`;
  if (row.state !== "ready") return notNow(id);
  // A volume of the engine and a folder of the lab: neither knows what the other keeps.
  if (id !== "grafana" && isImage(then) !== isImage(row.version))
    return `${titles[id]} has other data now: the run was made with ${then}.`;
  return undefined;
}

const notNow = (id: PlaceId): string => `${titles[id]} does not run at the moment.`;

const isImage = (version: string | null | undefined): boolean => / \(image\)$/.test(version ?? "");
