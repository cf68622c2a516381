import type { Lease } from "#scenarios/define.ts";
import type { ProxyTarget, Toxic } from "#scenarios/fault.ts";
import type { ServiceStatus } from "./api/services.ts";
import type { ServiceId } from "./services/ids.ts";

/**
 * The running system as the front door, the runs and the CLI see it. Each runtime makes one;
 * nobody above this line knows whether a service is a process or a container.
 */
export interface System {
  readonly runtime: "embedded" | "compose";
  /**
   * Resolves when every service is ready, or optional and absent; rejects with the `LabError` of the
   * first that cannot be. With `fetches: false` it does not wait for programs that are being fetched
   * from somewhere, where the lab works without.
   */
  readonly ready: (wait?: { readonly fetches?: boolean }) => Promise<void>;
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
  /** SIGKILL, counted as a leased crash. Resolves when the end was noticed; rejects with LabError `service-not-running`. */
  readonly kill: (id: ServiceId) => Promise<void>;
  /** Lets a service stand still, and go on. Idempotent; it goes on by itself when it is stopped or the lab ends. */
  readonly pause: (id: ServiceId) => Promise<void>;
  readonly resume: (id: ServiceId) => Promise<void>;
  /** Services that stand still. */
  readonly paused: () => readonly ServiceId[];
  /** Breaks the app's connections to a target. Resolves once it holds; the function mends them, idempotent. */
  readonly arm: (target: ProxyTarget, toxic: Toxic) => Promise<() => Promise<void>>;
  /** Where the app reaches a service, and whoever the app sends there; undefined before it is known. */
  readonly appUrl?: (target: ProxyTarget) => string | undefined;
  /** What is broken now. */
  readonly armed: () => readonly { readonly target: ProxyTarget; readonly toxic: Toxic }[];
  /** What inside the services a run has to leave as it was; a service that does not answer has none. */
  readonly facts: () => Promise<readonly SystemFact[]>;
  /** Where services expose metrics of their own. */
  readonly metricSources: () => readonly MetricSource[];
  /** Every change of a row. Returns the function that ends the subscription. */
  readonly subscribe: (listener: (row: ServiceStatus) => void) => () => void;
  /** Stops everything, dependants first. Idempotent; a second call while it runs forces. */
  readonly shutdown: () => Promise<void>;
}

/** Something that can be seen of the system, and compared. */
export interface SystemFact {
  /** In words that name it among all others, e.g. `indexes of the shop`. */
  readonly what: string;
  /** Whose it is: who holds this lease may change it for a while. Null for what belongs to all. */
  readonly of: Lease | null;
  readonly values: readonly string[];
}

/** One service's metrics, in the Prometheus text or OpenMetrics format. */
export interface MetricSource {
  readonly service: ServiceId;
  /** How the names of its own metrics begin. */
  readonly prefixes: readonly string[];
  /** Undefined before the service has a port. */
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}
