import * as v from "valibot";
import type { ServiceStatus } from "#lab/api/services.ts";
import { firstPort, lastPort } from "#lab/supervisor/ports.ts";
import type { System } from "#lab/system.ts";

const everyMs = 3_000;
/** Scrapes are two seconds apart, and the first may miss a program that only starts. */
const patienceMs = 20_000;

const answerSchema = v.object({
  data: v.object({ result: v.array(v.object({ value: v.tuple([v.number(), v.string()]) })) }),
});

/** Whether Prometheus, in its container, gets at the app's metrics on the host. */
export interface ScrapeWatch {
  /** The row as it is, with what to do about the scrape where that fails. */
  readonly noted: (row: ServiceStatus) => ServiceStatus;
  readonly end: () => void;
}

/**
 * Asks Prometheus for `up{job="server"}` while both are ready.
 * @param changed hears Prometheus' row when what there is to say of the scrape changes.
 */
export function watchScrape(
  system: Pick<System, "services" | "url">,
  changed: (row: ServiceStatus) => void,
  times: { readonly everyMs: number; readonly patienceMs: number } = { everyMs, patienceMs },
): ScrapeWatch {
  let failingSince: number | undefined;
  let fails = false;
  const noted = (row: ServiceStatus): ServiceStatus => {
    if (row.id !== "prometheus" || row.state !== "ready" || !fails) return row;
    const port = system.url("server", "metrics")?.split(":").at(-1) ?? "";
    return { ...row, note: unreachableNote(port) };
  };
  const look = async (): Promise<void> => {
    const rows = system.services();
    const ready = (id: ServiceStatus["id"]) =>
      rows.some((row) => row.id === id && row.state === "ready");
    const base = system.url("prometheus");
    const up =
      base === undefined || !ready("prometheus") || !ready("server") ? true : await isUp(base);
    if (up === undefined) return;
    failingSince = up ? undefined : (failingSince ?? performance.now());
    const before = fails;
    fails = failingSince !== undefined && performance.now() - failingSince > times.patienceMs;
    const row = system.services().find(({ id }) => id === "prometheus");
    if (fails !== before && row !== undefined) changed(noted(row));
  };
  const timer = setInterval(() => void look(), times.everyMs);
  timer.unref();
  return { noted, end: () => clearInterval(timer) };
}

/** Undefined when Prometheus does not say. */
async function isUp(base: string): Promise<boolean | undefined> {
  try {
    const query = encodeURIComponent('up{job="server"}');
    const answer = await fetch(`${base}/api/v1/query?query=${query}`, {
      signal: AbortSignal.timeout(everyMs),
    });
    const { data } = v.parse(answerSchema, await answer.json());
    return data.result.some(({ value }) => value[1] === "1");
  } catch {
    return undefined;
  }
}

/** Ports are others at every start, and the store is asked by containers too. */
const unreachableNote = (port: string): string =>
  process.platform === "linux"
    ? `It does not get the app's metrics: a firewall may keep containers from port ${port} of this machine. With ufw: sudo ufw allow from 172.16.0.0/12 to any port ${firstPort}:${lastPort} proto tcp; with firewalld: sudo firewall-cmd --zone=trusted --add-source=172.16.0.0/12`
    : `It does not get the app's metrics on port ${port} of this machine: host networking of the container engine may be off.`;
