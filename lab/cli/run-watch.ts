import type { LabEvent } from "#lab/api/events.ts";
import { routes } from "#lab/api/routes.ts";
import { isOver, type RunRecord } from "#lab/api/runs.ts";
import { LabError } from "#lab/errors.ts";
import { eventMessages } from "./event-stream.ts";
import { ask, credentials, type LabAddress } from "./running-lab.ts";

/** Follows one run over the lab's event stream. */
export interface RunWatch {
  /** The record once the run is over, or as it is after `limitMs`. */
  readonly ended: (limitMs: number) => Promise<RunRecord>;
  readonly close: () => void;
}

/**
 * To be opened before the run is driven, so that no change is missed.
 * @param client of the run's order, when it is this program that drives: the lab ends the run when
 *   the stream has gone.
 * @throws LabError `no-events` when the lab has no event stream.
 */
export async function watchRun(lab: LabAddress, runId: string, client?: string): Promise<RunWatch> {
  const closing = new AbortController();
  const path = client === undefined ? routes.events : `${routes.events}?client=${client}`;
  const open = () =>
    fetch(new URL(path, lab.origin), {
      headers: { accept: "text/event-stream", ...credentials(lab) },
      signal: closing.signal,
    });
  const response = await open();
  if (!response.ok || response.body === null) {
    throw new LabError("no-events", `The lab's event stream answered ${response.status}.`, {
      hint: "npm run lab -- status shows how the lab is.",
    });
  }
  const over = Promise.withResolvers<RunRecord | undefined>();
  const readWhileOpen = async (body: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const { data } of eventMessages(body)) {
      const event = JSON.parse(data) as LabEvent;
      const record =
        event.type === "run" && event.run.runId === runId
          ? event.run
          : event.type === "resync"
            ? await ask<RunRecord>(lab, routes.run(runId))
            : undefined;
      if (record !== undefined && isOver(record)) return over.resolve(record);
    }
  };
  const readUntilOver = async (body: ReadableStream<Uint8Array>): Promise<unknown> => {
    // The lab cuts off who falls behind, as a run of many traces can make anybody do.
    await readWhileOpen(body).catch(() => {});
    if (closing.signal.aborted) return;
    const record = await ask<RunRecord>(lab, routes.run(runId));
    if (isOver(record)) return over.resolve(record);
    const again = await open();
    return again.body === null ? undefined : readUntilOver(again.body);
  };
  // When the lab is gone, the time limit and the last look at the record are left.
  readUntilOver(response.body).catch(() => {});
  return {
    ended: async (limitMs) => {
      const timer = setTimeout(() => over.resolve(undefined), limitMs);
      const record = await over.promise;
      clearTimeout(timer);
      return record ?? (await ask<RunRecord>(lab, routes.run(runId)));
    },
    close: () => closing.abort(),
  };
}
