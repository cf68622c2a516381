import type { ServiceStatus } from "./api.ts";
import type { ServiceId } from "./services/ids.ts";

/**
 * The running system as the front door, the runs and the CLI see it. Each runtime makes one;
 * nobody above this line knows whether a service is a process or a container.
 */
export interface System {
  readonly runtime: "embedded" | "compose";
  /** Resolves when every service is ready; rejects with the `LabError` of the first that cannot be. */
  readonly ready: () => Promise<void>;
  /** One row per service, in start order. A snapshot. */
  readonly services: () => readonly ServiceStatus[];
  /** Loopback base URL of a service's port, e.g. `http://127.0.0.1:20412`; undefined before it has one. */
  readonly url: (id: ServiceId, port?: string) => string | undefined;
  /** Last lines of a service's output, oldest first. */
  readonly log: (id: ServiceId, lines: number) => Promise<readonly string[]>;
  /** Calls back with every line as it is written, until the signal aborts. */
  readonly followLog: (id: ServiceId, onLine: (line: string) => void, signal: AbortSignal) => void;
  /** Resolve when the service reached the state asked for; reject with a `LabError`. */
  readonly start: (id: ServiceId) => Promise<void>;
  readonly stop: (id: ServiceId) => Promise<void>;
  readonly restart: (id: ServiceId) => Promise<void>;
  /** Crashes of this service do not count towards crash-looping until the returned function is called. */
  readonly leaseCrashes: (id: ServiceId) => () => void;
  /** Every change of a row. Returns the function that ends the subscription. */
  readonly subscribe: (listener: (row: ServiceStatus) => void) => () => void;
  /** Stops everything, dependants first. Idempotent; a second call while it runs forces. */
  readonly shutdown: () => Promise<void>;
}
