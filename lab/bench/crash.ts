import type { LabEvent } from "../api/events.ts";
import { routes } from "../api/routes.ts";
import { eventMessages } from "../cli/event-stream.ts";
import type { ServiceId } from "../services/ids.ts";
import type { Benchmark, Figure } from "./benchmark.ts";
import { type LabUnderTest, startLab } from "./lab-under-test.ts";
import { spread } from "./statistics.ts";

/** Fewer than make a service crash-looping, so each is started again. */
const crashes = 4;
const services = ["server", "valkey"] as const satisfies readonly ServiceId[];

/** Milliseconds after a `kill -9`. */
interface Recovery {
  readonly noticed: number;
  readonly ready: number;
}

/** How long the lab takes to tell that a process was killed, and to have it ready again, as a page hears it. */
export const crashBenchmark: Benchmark = {
  id: "crash",
  title: "A process is killed with -9: told, and ready again (back-off included)",
  run: async () => {
    await using lab = await startLab();
    const figures: Figure[] = [];
    for (const id of services) {
      const recoveries: Recovery[] = [];
      for (let n = 0; n < crashes; n += 1) recoveries.push(await recoveryOf(lab, id));
      const noticed = recoveries.map((recovery) => recovery.noticed);
      const ready = recoveries.map((recovery) => recovery.ready);
      figures.push(spread(`${id}: noticed`, noticed, "≤ 250 ms"), spread(`${id}: ready`, ready));
    }
    return figures;
  },
};

async function recoveryOf(lab: LabUnderTest, id: ServiceId): Promise<Recovery> {
  const row = (await lab.status()).services.find((service) => service.id === id);
  if (row?.pid == null || row.state !== "ready") throw new Error(`${id} does not run`);
  const closing = new AbortController();
  const { body } = await fetch(lab.origin + routes.events, { signal: closing.signal });
  if (body === null) throw new Error("the lab has no event stream");
  try {
    const killedAt = performance.now();
    process.kill(row.pid, "SIGKILL");
    let noticed: number | undefined;
    for await (const { data } of eventMessages(body)) {
      const event = JSON.parse(data) as LabEvent;
      if (event.type !== "service" || event.service.id !== id) continue;
      const after = performance.now() - killedAt;
      if (event.service.state !== "ready") noticed ??= after;
      else if (noticed !== undefined) return { noticed, ready: after };
    }
    throw new Error("the lab's event stream ended");
  } finally {
    closing.abort();
  }
}
