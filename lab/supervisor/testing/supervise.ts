import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ServiceState, ServiceStatus } from "#lab/api/services.ts";
import type { ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import { openSupervisor, type Supervisor, type SupervisorOptions } from "../supervisor.ts";
import { testSecrets } from "./fake-descriptors.ts";

/** A new folder below the system's temporary one, removed when the test is over. */
export async function temporaryDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A supervisor in a folder of its own, shut down when the test is over. */
export async function superviseInTest(
  descriptors: readonly ServiceDescriptor[],
  options: Partial<SupervisorOptions> = {},
): Promise<Supervisor & { readonly dir: string }> {
  const dir = options.dir ?? (await temporaryDir());
  const supervisor = openSupervisor({
    descriptors,
    dir,
    secrets: testSecrets,
    origin: "http://localhost:4700",
    env: process.env,
    version: "0",
    ...options,
  });
  onTestFinished(() => supervisor.shutdown());
  return { ...supervisor, dir };
}

export function rowOf(supervisor: Supervisor, id: ServiceId): ServiceStatus {
  const row = supervisor.services().find((candidate) => candidate.id === id);
  if (!row) throw new Error(`no row for ${id}`);
  return row;
}

/** Resolves with the row once it satisfies `holds`. */
export function rowWhen(
  supervisor: Supervisor,
  id: ServiceId,
  holds: (row: ServiceStatus) => boolean,
): Promise<ServiceStatus> {
  return new Promise((resolve) => {
    const look = (row: ServiceStatus) => {
      if (row.id !== id || !holds(row)) return;
      stop();
      resolve(row);
    };
    const stop = supervisor.subscribe(look);
    look(rowOf(supervisor, id));
  });
}

export function inState(state: ServiceState): (row: ServiceStatus) => boolean {
  return (row) => row.state === state;
}

const lookMs = 20;

/**
 * Asks again until it holds; for what nobody announces, as the end of a stranger's process. The time
 * is counted in looks: what a machine that stands still or is busy takes away is no part of it.
 */
export async function eventually(holds: () => boolean, withinMs: number): Promise<void> {
  for (let looks = withinMs / lookMs; !holds(); looks--) {
    if (looks <= 0) throw new Error(`not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** What the work resolves with; rejects when it takes longer, in time as {@link eventually} counts it. */
export async function within<T>(withinMs: number, work: Promise<T>): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  await eventually(() => isOver, withinMs);
  return work;
}

/** Asks a fake service, by the address that the supervisor has of it. */
export const ask = (url: string | undefined, path = "/"): Promise<Response> =>
  fetch(`${url}${path}`);
