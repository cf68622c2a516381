/**
 * The scenario language. A scenario is one file `scenarios/<group>/<name>.ts` with one default
 * export made by {@link defineScenario}: what goes wrong, and the telemetry it has to leave. Its
 * other words stand beside it: `param-spec.ts`, `fault.ts`, `expectation.ts`, `span-selector.ts`.
 *
 * Leaf module: type imports only, so that the page, the CLI and the judge can read a scenario
 * without loading the app.
 */

import type { Tracer } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Sql } from "postgres";
import type { Cache } from "./edges/cache.ts";
import type { ObjectStore } from "./edges/objects.ts";
import type { OrderEvents } from "./edges/order-events.ts";
import type { Visitor } from "./edges/visitor.ts";
import type { Workload } from "./edges/workload.ts";
import type { Expectation } from "./expectation.ts";
import type { Fault } from "./fault.ts";
import type { Mode } from "./mode.ts";
import type { ParamSpec, ValuesOf } from "./param-spec.ts";

export const groups = ["db", "cache", "s3", "auth", "run", "ui", "pipe"] as const;
/** First half of a scenario id, and the name of its folder. */
export type Group = (typeof groups)[number];

/** Something the machine or the user has to provide; without it the scenario is shown disabled. */
export type Requirement = "chromium" | "real valkey" | "s3 stand-in" | "signed-in";
/** Held alone while the run lasts: no other run that names it starts meanwhile. */
export type Lease =
  | "server"
  | "postgres"
  | "valkey"
  | "minio"
  | "keycloak"
  | "collector"
  | "metrics";
/** Services that have to be ready for a scenario besides those of its leases. */
export type Need =
  | "valkey"
  | "valkey-cache"
  | "minio"
  | "keycloak"
  | "prometheus"
  | "redis-exporter";

/** Breaks database connections with the fault role's own connection, outside the run's trace. */
export interface BackendKiller {
  /**
   * Terminates the backend that serves the app's statement whose text contains `marker`.
   * Resolves with the number of backends ended, once they are gone.
   */
  readonly terminate: (marker: string) => Promise<number>;
  /**
   * From now on the database lets the app in as `reports` with so many connections at once. Those
   * that are open as such are ended. Without a number: as many as usual.
   */
  readonly limitReports: (connections?: number) => Promise<void>;
}

/** What the app hands to `serve`. Everything in it is the app's own, instrumented edge. */
export interface ServeContext<V> {
  readonly runId: string;
  readonly mode: Mode;
  readonly params: V;
  /** The app's postgres.js pool. Queries become spans. */
  readonly sql: Sql;
  /** Lines carry trace and span id by themselves. */
  readonly log: Logger;
  readonly tracer: Tracer;
  /** Calls a route of the app over HTTP, `traceparent` included. `path` starts with `/`. */
  readonly http: (path: string, init?: RequestInit) => Promise<Response>;
  readonly backends: BackendKiller;
  readonly cache: Cache;
  /** Product images in S3. */
  readonly objects: ObjectStore;
  /** Orders as they are placed, over publish and subscribe. */
  readonly orderEvents: OrderEvents;
  /** A new visitor of the app with no cookies yet, who speaks HTTP with it as a browser would. */
  readonly visitor: () => Visitor;
  /** Pools, deadlines, retries and processes of its own for one piece of work. */
  readonly workload: Workload;
  /** Tells Sentry of an error that was handled: the caller goes on. */
  readonly report: (error: unknown) => void;
  /** Aborted when the client goes away or the run's time is over. */
  readonly signal: AbortSignal;
}

export interface Scenario<S extends ParamSpec = ParamSpec> {
  /** `<group>.<name>`, the same words as the file's path. */
  readonly id: `${Group}.${string}`;
  readonly title: string;
  /** One line for the card: what breaks and where you will see it. */
  readonly summary: string;
  /** What breaks, where you see it, how teams fix it. Paragraphs are separated by a blank line. */
  readonly story: string;
  readonly params: S;
  readonly modes: readonly Mode[];
  readonly requires?: readonly Requirement[];
  readonly needs?: readonly Need[];
  readonly leases?: readonly Lease[];
  /** Upper bound of a run in milliseconds; default 10000. After it the run is closed as it is. */
  readonly timeoutMs?: number;
  /**
   * After how many milliseconds whoever drives the run gives up on its request and closes the
   * connection; undefined: waits for the answer.
   */
  readonly clientLeavesAfterMs?: (params: ValuesOf<S>, mode: Mode) => number | undefined;
  /** What the lab breaks around the app, and for how long. Never in mode `control`. */
  readonly faults?: (params: ValuesOf<S>, mode: "fault" | "fix") => readonly Fault[];
  /** Runs inside ordinary app code of the server. Never called by anyone who only lists scenarios. */
  readonly serve?: (context: ServeContext<ValuesOf<S>>) => Promise<unknown>;
  /** The browser part lives in `web/src/stages/<id>.svelte`. */
  readonly stage?: true;
  readonly expect: readonly Expectation[];
}

/** Keeps the literal types of `params`, so that `serve` sees `params.n` as a number. */
export const defineScenario = <const S extends ParamSpec>(scenario: Scenario<S>): Scenario<S> =>
  scenario;
